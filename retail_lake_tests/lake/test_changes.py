"""What each day sees of a table that is replaced whole: steps against a dictionary of days, changed days against a join."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retail_lake.config import Settings
from retail_lake.contract import Column, Layer, Table, Validity
from retail_lake.jobs.changes import EVERY_DAY, changed_days
from retail_lake.jobs.description import JobDescription, PinnedInput
from retail_lake.jobs.duckdb_session import DuckDBSession
from retail_lake.lake.publications import Publication
from retail_lake.lake.publish import _steps

DAYS = [date(2017, 1, 1) + timedelta(days=i) for i in range(12)]
SOME_DAY = st.one_of(st.sampled_from([date.min, date.max]), st.dates(DAYS[0], DAYS[-1]))
CHANGE = st.one_of(st.none(), st.tuples(SOME_DAY, SOME_DAY).map(lambda pair: (min(pair), max(pair))))


def _publication(fingerprint: str, changes: tuple[tuple[date, str], ...]) -> Publication:
    counts = dict.fromkeys(("rows_in", "rows", "quarantined", "duplicates", "checks_passed", "checks_failed", "files"), 0)
    texts = dict.fromkeys(("table", "status", "job_id", "run_id", "code_version", "refused"), "")
    return Publication(
        **texts,  # type: ignore[arg-type]
        **counts,  # type: ignore[arg-type]
        day=None,
        fingerprint=fingerprint,
        snapshot_id=1,
        input_sequences={},
        touched_days=(),
        changes=changes,
        published_at=datetime(2017, 1, 1, tzinfo=UTC),
    )


@given(changes=st.lists(CHANGE, max_size=8))
def test_steps_show_each_day_what_it_saw_last(changes: list[tuple[date, date] | None]) -> None:
    days = [date.min, *DAYS, date.max]
    seen = dict.fromkeys(days, "f0")
    steps = _steps((), None, "f0")
    for number, change in enumerate(changes, 1):
        fingerprint = f"f{number}"
        steps = _steps(steps, change, fingerprint)
        if change:
            seen |= {d: fingerprint for d in days if change[0] <= d <= change[1]}
        published = _publication(fingerprint, steps)
        assert {d: published.seen_on(d) for d in days} == seen
        assert len(steps) <= 2 * number + 1 and all(a[1] != b[1] and a[0] < b[0] for a, b in pairwise(steps))


ALWAYS, NEVER = datetime(1900, 1, 1), datetime(9999, 12, 31)
DIM = Table(
    name="dim_thing",
    layer=Layer.GOLD,
    description="Versions of things.",
    grain="version of a thing",
    key=("thing_key",),
    validity=Validity("thing", "valid_from", "valid_to"),
    columns=(
        Column("thing_key", "bigint", "Version."),
        Column("thing", "bigint", "Thing."),
        Column("colour", "string", "Its colour."),
        Column("valid_from", "timestamp", "From."),
        Column("valid_to", "timestamp", "To."),
        Column("is_current", "boolean", "Whether it is the last version."),
    ),
    sql="SELECT * FROM silver.things",
)
FLAT = Table(
    name="dim_flat",
    layer=Layer.GOLD,
    description="Things.",
    grain="thing",
    key=("thing",),
    columns=(Column("thing", "bigint", "Thing."), Column("colour", "string", "Its colour.")),
    sql="SELECT * FROM silver.things",
)
# The change log of a thing: the day on which it took a colour, noon UTC. The first colour covers all the time before.
LOG = st.dictionaries(st.sampled_from(DAYS[2:-2]), st.sampled_from(["red", "blue", "green"]), min_size=1, max_size=3)
LOGS = st.dictionaries(st.integers(1, 3), LOG, max_size=3)


def _versions(logs: dict[int, dict[date, str]]) -> list[dict[str, Any]]:
    rows = []
    for thing, log in logs.items():
        days = sorted(log)
        starts = [ALWAYS, *(datetime(d.year, d.month, d.day, 12) for d in days[1:])]
        for start, end, day in zip(starts, [*starts[1:], NEVER], days, strict=True):
            key = thing * 1_000_000 + (start - ALWAYS).days
            version = {"thing_key": key, "thing": thing, "colour": log[day], "valid_from": start, "valid_to": end}
            rows.append({**version, "is_current": end == NEVER})
    return rows


def _seen(rows: Sequence[dict[str, Any]], thing: int, moment: datetime) -> tuple[int, str] | None:
    """What a fact of that moment shows of the thing."""
    valid = (r for r in rows if r["thing"] == thing and r["valid_from"] <= moment < r["valid_to"])
    return next(((r["thing_key"], r["colour"]) for r in valid), None)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBSession]:
    """One DuckDB session for all examples."""
    session = DuckDBSession(Settings(home=tmp_path_factory.mktemp("home"), threads=1))
    yield session
    session.close()


class _Rows:
    """A session whose relations are given rows in place of files."""

    def __init__(self, session: DuckDBSession, table: Table, previous: Sequence[Any], published: Sequence[Any]) -> None:
        self.session, self.table, self.previous = session, table, previous
        session.rows_of("given", published, table.columns)
        session.keep("published", "SELECT * FROM given")

    def parquet(self, relation: str, pinned: PinnedInput, columns: Sequence[Column]) -> None:
        assert relation == "previous"
        self.session.rows_of("given", self.previous, self.table.columns)
        self.session.connection.execute("CREATE OR REPLACE TEMP TABLE previous AS SELECT * FROM given")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


def _job(table: Table, previous: int | None) -> JobDescription:
    return JobDescription(
        job_id="job",
        run_id="run",
        table=table.full_name,
        days=(),
        code_version="",
        fingerprints={"whole": "f"},
        previous=PinnedInput(table=table.full_name, snapshot_id=previous, sequence=1, files=()),
        first_day=DAYS[0],
        last_day=DAYS[-1],
        store_time_zone="UTC",
        staging="",
    )


def _check(session: DuckDBSession, before: dict[int, dict[date, str]], after: dict[int, dict[date, str]]) -> None:
    previous, published = _versions(before), _versions(after)
    changed = changed_days(DIM, _job(DIM, 1), _Rows(session, DIM, previous, published))  # type: ignore[arg-type]
    # A business day in New York is 05:00 to 05:00 UTC in January.
    moments = {d: [datetime(d.year, d.month, d.day) + timedelta(hours=h) for h in range(5, 29, 6)] for d in DAYS}
    # Facts refer to what was known before; a thing that is new was referred to by none.
    differ = [d for d in DAYS if any(_seen(previous, t, m) != _seen(published, t, m) for t in before for m in moments[d])]
    covered = [d for d in DAYS if changed and changed[0] <= d <= changed[1]]
    assert set(differ) <= set(covered), "a day that sees a change was not named"
    if differ and set(before) >= set(after):
        assert covered == [d for d in DAYS if min(differ) <= d <= max(differ)], "more than the span of the changes"
    elif not differ and set(before) >= set(after):
        assert changed is None


@given(before=LOGS, after=LOGS)
@settings(max_examples=60, deadline=None)
def test_changed_days_are_those_that_join_another_version(
    session: DuckDBSession, before: dict[int, dict[date, str]], after: dict[int, dict[date, str]]
) -> None:
    _check(session, before, after)


@given(before=LOGS, late=LOGS)
@settings(max_examples=60, deadline=None)
def test_changed_days_of_records_that_come_later(
    session: DuckDBSession, before: dict[int, dict[date, str]], late: dict[int, dict[date, str]]
) -> None:
    _check(session, before, {thing: before.get(thing, {}) | late.get(thing, {}) for thing in {*before, *late}})


def test_a_new_version_concerns_the_days_from_its_start_only(session: DuckDBSession) -> None:
    before = {1: {DAYS[2]: "red"}}
    rows = _Rows(session, DIM, _versions(before), _versions({1: {DAYS[2]: "red", DAYS[5]: "blue"}}))
    assert changed_days(DIM, _job(DIM, 1), rows) == (DAYS[5], date(9999, 12, 30))  # type: ignore[arg-type]


def test_the_first_state_concerns_every_day(session: DuckDBSession) -> None:
    assert changed_days(DIM, _job(DIM, None), session) == EVERY_DAY


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({1: "red"}, {1: "red"}, None),
        ({1: "red"}, {1: "red", 2: "blue"}, None),
        ({1: "red"}, {1: "blue"}, EVERY_DAY),
        ({1: "red", 2: "blue"}, {1: "red"}, EVERY_DAY),
    ],
    ids=["same", "new", "altered", "vanished"],
)
def test_without_validity_a_change_concerns_every_day(
    session: DuckDBSession, before: dict[int, str], after: dict[int, str], changed: tuple[date, date] | None
) -> None:
    previous, published = ([{"thing": t, "colour": c} for t, c in state.items()] for state in (before, after))
    assert changed_days(FLAT, _job(FLAT, 1), _Rows(session, FLAT, previous, published)) == changed  # type: ignore[arg-type]
