"""The board: each place hears of an alert once, of more of it once more, and of its end; nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from retail_lake.alerts.alert import Alert, Kind
from retail_lake.alerts.board import OBJECT, Board
from retail_lake.alerts.notice import MOST, Notice
from retail_lake.alerts.route import Route
from retail_lake.config import Settings, load_settings
from retail_lake.contract import Severity
from retail_lake.failure import ConfigurationFailure, TransientFailure

NOW = datetime(2026, 3, 1, 7, tzinfo=UTC)
ALL = frozenset(Kind)
EVERYTHING = (Route(to="log"),)


def alert(key: str = "blocked/silver.sales", **more: Any) -> Alert:
    given: dict[str, Any] = {
        "key": key, "kind": Kind.BLOCKED, "severity": Severity.CRITICAL, "owners": ("team:retail-data",),
        "title": f"{key} is wrong", "happened": "It broke.", "parts": ("2017-01-03",),
    }  # fmt: skip
    return Alert(**{**given, **more})


@dataclass
class Place:
    """A sink that remembers, and does not answer the next `deaf` times."""

    heard: list[Notice] = field(default_factory=list)
    deaf: int = 0
    with_failure: type[Exception] = TransientFailure

    def send(self, notice: Notice) -> None:
        if self.deaf:
            self.deaf -= 1
            raise self.with_failure("it does not answer")
        self.heard.append(notice)

    @property
    def said(self) -> list[tuple[str, bool]]:
        return [(n.key, n.resolved) for n in self.heard]


def tick(
    settings: Settings, found: list[Alert], *places: Place, routes: tuple[Route, ...] = EVERYTHING, looked: Any = ALL
) -> list[str]:
    """A tick in a process of its own: the board is what is stored."""
    by_name = dict(zip(dict.fromkeys(r.to for r in routes), places, strict=True))
    board = Board.read(settings)
    board.update(found, looked, NOW)
    return board.tell(routes, by_name.__getitem__)


def test_an_alert_is_told_once_and_its_end_once(settings: Settings) -> None:
    place = Place()
    for _ in range(5):
        tick(settings, [alert()], place)
    assert place.said == [("blocked/silver.sales", False)]
    for _ in range(5):
        tick(settings, [], place)
    assert place.said == [("blocked/silver.sales", False), ("blocked/silver.sales", True)]
    assert Board.read(settings).entries == {}
    tick(settings, [alert()], place)
    assert place.said[2:] == [("blocked/silver.sales", False)], "a new spell is news"


def test_more_of_it_is_news_and_less_of_it_is_not(settings: Settings) -> None:
    place = Place()
    for days in (["03"], ["03", "04"], ["04"], ["04"], ["03", "04"], []):
        tick(settings, [alert(parts=tuple(f"2017-01-{d}" for d in days))] if days else [], place)
    # The 3rd was set right, and is blocked again: that is news again.
    assert [n.resolved for n in place.heard] == [False, False, False, True]


def test_what_could_not_be_looked_at_is_not_over(settings: Settings) -> None:
    place = Place()
    tick(settings, [alert()], place)
    tick(settings, [], place, looked=ALL - {Kind.BLOCKED})
    assert [e.alert.key for e in Board.read(settings).open] == ["blocked/silver.sales"]
    tick(settings, [], place)
    assert place.said[-1] == ("blocked/silver.sales", True)


@pytest.mark.parametrize("failure", [TransientFailure, ConfigurationFailure])
def test_a_place_that_does_not_answer_hears_later_and_the_others_at_once(settings: Settings, failure: type[Exception]) -> None:
    routes = (Route(to="webhook"), Route(to="log"))
    down, up = Place(deaf=3, with_failure=failure), Place()
    said = [tick(settings, [alert()], down, up, routes=routes) for _ in range(5)]
    assert said[0] == ["webhook: it does not answer"] and said[4] == []
    assert down.said == up.said == [("blocked/silver.sales", False)]
    down.deaf = 1
    tick(settings, [], down, up, routes=routes)
    assert (up.said[-1][1], down.said[-1][1]) == (True, False)
    tick(settings, [], down, up, routes=routes)
    assert down.said[-1] == ("blocked/silver.sales", True)
    assert Board.read(settings).entries == {}


def test_what_was_over_before_a_place_heard_of_it_it_never_hears_of(settings: Settings) -> None:
    place = Place(deaf=1)
    tick(settings, [alert()], place)
    tick(settings, [], place)
    assert place.heard == [] and Board.read(settings).entries == {}


def test_alerts_go_by_severity_and_owner(settings: Settings) -> None:
    routes = (
        Route(to="webhook"),
        Route(to="webhook:PAGER", severity=Severity.CRITICAL),
        Route(to="webhook:CRM", owner="team:crm"),
        Route(to="log", owner="team:*", severity=Severity.CRITICAL),
    )
    places = [Place() for _ in routes]
    found = [
        alert("critical", owners=("team:retail-data",)),
        alert("warning", severity=Severity.WARNING, owners=("team:crm",)),
        alert("person", owners=("jo@example.com",)),
    ]
    tick(settings, found, *places, routes=routes)
    assert [{n.key for n in p.heard} for p in places] == [
        {"critical", "warning", "person"}, {"critical", "person"}, {"warning"}, {"critical"},
    ]  # fmt: skip
    tick(settings, [], *places, routes=routes)
    assert [sum(n.resolved for n in p.heard) for p in places] == [3, 2, 1, 1], "who heard of it hears that it is over"


def test_a_flood_is_a_few_notices(settings: Settings) -> None:
    place = Place()
    many = [alert(f"table-{n:02}", severity=Severity.WARNING) for n in range(40)] + [alert("the worst")]
    tick(settings, many, place)
    assert len(place.heard) == MOST
    assert place.heard[0].key == "the worst", "what is critical comes first"
    assert "and 32 more" in place.heard[-1].text and "table-39 is wrong" in place.heard[-1].text
    tick(settings, many, place)
    assert len(place.heard) == MOST
    tick(settings, [], place)
    assert len(place.heard) == 2 * MOST and Board.read(settings).entries == {}


def test_a_kill_between_two_places_says_some_twice_and_leaves_none_out(settings: Settings) -> None:
    class Killed(BaseException):
        pass

    class Kills(Place):
        def send(self, notice: Notice) -> None:
            raise Killed

    first = Place()
    with pytest.raises(Killed):
        tick(settings, [alert()], first, Kills(), routes=(Route(to="log"), Route(to="webhook")))
    second = Place()
    tick(settings, [alert()], first, second, routes=(Route(to="log"), Route(to="webhook")))
    assert first.said == second.said == [("blocked/silver.sales", False)]


def test_a_board_that_a_kill_left_half_written_is_begun_anew(settings: Settings) -> None:
    place = Place()
    tick(settings, [alert()], place)
    path = settings.home / "lake" / OBJECT
    path.write_bytes(path.read_bytes()[:40])
    tick(settings, [alert()], place)
    tick(settings, [alert()], place)
    assert place.said == [("blocked/silver.sales", False)] * 2


def test_a_route_taken_away_is_not_waited_for(settings: Settings) -> None:
    tick(settings, [alert()], Place(), Place(), routes=(Route(to="log"), Route(to="webhook")))
    rest = Place()
    tick(settings, [], rest)
    assert rest.said == [("blocked/silver.sales", True)] and Board.read(settings).entries == {}


KEYS = ("a", "b", "c")


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(KEYS)), st.tuples(st.booleans(), st.booleans()), st.booleans()), min_size=1, max_size=12
    )
)
@bounded(max_examples=60, deadline=None)
def test_whoever_listens_knows_how_things_stand(tmp_path_factory: Any, story: list[Any]) -> None:
    """Whatever happened and whoever was deaf in between: after a tick in which a place hears, it knows what is open, and was
    never told the same twice in a row."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    routes = (Route(to="log"), Route(to="webhook"))
    places = (Place(), Place())
    for wrong, deaf, _ in [*story, (set(), (False, False), True)]:
        for place, is_deaf in zip(places, deaf, strict=True):
            place.deaf = 99 if is_deaf else 0
        tick(settings, [alert(key) for key in sorted(wrong)], *places, routes=routes)
        for place, is_deaf in zip(places, deaf, strict=True):
            last = dict(place.said)
            if not is_deaf:
                assert {key for key, resolved in last.items() if not resolved} == wrong
            for key in KEYS:
                mine = [resolved for k, resolved in place.said if k == key]
                assert mine == [bool(n % 2) for n in range(len(mine))], "open, over, open, over"
    assert Board.read(settings).entries == {}


def test_the_oldest_is_shown_first_and_since_when(settings: Settings) -> None:
    board = Board.read(settings)
    board.update([alert("old")], ALL, NOW - timedelta(hours=3))
    board.update([alert("old"), alert("new")], ALL, NOW)
    assert [(e.alert.key, e.opened_at) for e in board.open] == [("old", NOW - timedelta(hours=3)), ("new", NOW)]


@pytest.fixture
def in_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Settings]:
    def set_routes(value: str) -> Settings:
        monkeypatch.setenv("RETAIL_LAKE_ALERT_ROUTES", value)
        return load_settings()

    return set_routes


def test_routes_are_a_setting(in_environment: Callable[[str], Settings]) -> None:
    topic = "sns:arn:aws:sns:eu-central-1:123456789012:retail"
    found = in_environment(f'[{{"to": "{topic}", "severity": "critical"}}, {{"to": "webhook:CRM", "owner": "team:crm"}}]')
    assert found.alert_routes == (Route(to=topic, severity=Severity.CRITICAL), Route(to="webhook:CRM", owner="team:crm"))


def test_an_address_among_the_routes_is_refused_and_not_repeated(in_environment: Callable[[str], Settings]) -> None:
    with pytest.raises(ConfigurationFailure, match="say log, webhook, webhook:NAME or sns:") as refused:
        in_environment('[{"to": "https://chat.example.com/hooks/very-secret"}]')
    assert "very-secret" not in str(refused.value)
    with pytest.raises(ConfigurationFailure, match=r"RETAIL_LAKE_ALERT_ROUTES.*JSON") as refused:
        in_environment('[{"to": "https://chat.example.com/hooks/very-secret"')
    assert "very-secret" not in str(refused.value)
