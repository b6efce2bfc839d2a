"""The alerts' sensor over a real instance, lake and webhook: what is wrong is told once, and once more when it is over."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from copy import copy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from retail_lake.alerts.route import Route
from retail_lake.config import Settings
from retail_lake.contract import Layer
from retail_lake.cost import ledger
from retail_lake.engines import launches
from retail_lake.failure import ConfigurationFailure, DataFailure, TransientFailure
from retail_lake.lake.lake import Lake
from retail_lake.lake.publications import Publication
from retail_lake.orchestration.alerts import alerts
from retail_lake.orchestration.graph import Graph
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.resources import resource
from retail_lake.orchestration.run import materialize_range
from retail_lake_tests.alerts.conftest import webhook as webhook
from retail_lake_tests.alerts.webhook import Webhook
from retail_lake_tests.orchestration.fakes import INPUTS, TABLES, FakeFlow, fake_definitions, on_glue

FIRST, SECOND, LAST = date(2017, 1, 1), date(2017, 1, 2), date(2017, 1, 3)
NAME_OF_A_PERSON = "Jane Roe"


class World:
    """A lake, its instance, and a clock that the sensor goes by."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, webhook: Webhook) -> None:
        self.settings, self.instance, self.webhook, self.flow = settings, instance, webhook, FakeFlow()
        self.later = timedelta()
        self.lake: Any = Lake(settings)
        self.tables = {name: copy(table) for name, table in TABLES.items()}
        self._sensor: Any = None

    def run(self, first: date = FIRST, last: date = LAST, tables: list[str] | None = None) -> Any:
        """A run of the fake flow; what it raises is no matter here."""
        definitions = fake_definitions(self.settings, self.flow)
        try:
            return materialize_range(
                tables, first, last, settings=self.settings, definitions=definitions, progress=lambda _: None
            )
        except Exception as error:
            return error

    def tick(self) -> list[str]:
        """One tick of the sensor; returns what the webhook was told in it."""
        if self._sensor is None:
            graph = Graph(self.settings, self.tables, INPUTS)
            self._sensor = alerts(graph, lambda: datetime.now(UTC) + self.later)
        before = len(self.webhook.texts)
        context = dg.build_sensor_context(instance=self.instance, resources={"lake": resource(lambda: self.lake)})
        self.skipped = str(self._sensor.evaluate_tick(context).skip_message)
        return self.webhook.texts[before:]

    def publish(self, table: str, day: date | None, status: str = "published", **more: Any) -> None:
        """Put a publication on record."""
        given: dict[str, Any] = {
            "table": table, "day": day, "status": status, "job_id": "j", "run_id": "r", "code_version": "c", "fingerprint": "f",
            "refused": "x" if status == "blocked" else "", "snapshot_id": 1, "input_sequences": {}, "rows_in": 12, "rows": 10,
            "quarantined": 6, "duplicates": 0, "checks_passed": 1, "checks_failed": 1, "files": 1, "touched_days": (),
            "changes": (), "published_at": datetime.now(UTC) + self.later,
        }  # fmt: skip
        self.lake.record(table, [Publication(**{**given, **more})])


def open_world(settings: Settings, webhook: Webhook) -> Iterator[World]:
    with open_instance(settings) as instance:
        yield World(settings, instance, webhook)


@pytest.fixture
def world(tmp_path: Path, webhook: Webhook) -> Iterator[World]:
    yield from open_world(Settings(home=tmp_path, first_day=FIRST, last_day=LAST), webhook)


def headings(texts: list[str]) -> list[str]:
    return [text.splitlines()[0].strip("*") for text in texts]


def test_nothing_is_said_of_a_lake_that_is_well(world: World) -> None:
    world.run()
    assert world.tick() == []
    assert world.skipped == "Nothing is wrong."


def test_a_wrong_setting_is_told_once_and_its_end_once(world: World) -> None:
    world.flow.raises = {"silver.lines": ConfigurationFailure("RETAIL_LAKE_X is not set; see postgresql://lake:hunter22@db/x")}
    world.run()
    (text,) = world.tick()
    days = "2017-01-01 to 2017-01-03 (3 days)"
    assert headings([text]) == [f"CRITICAL: silver.lines, silver.people not built for {days}: configuration failure"]
    assert "It blocks:* gold.dim_person, gold.fact, gold.mart" in text
    assert "RETAIL_LAKE_X is not set" in text and "hunter22" not in text
    assert "/runs/" in text and "retail-lake doctor" in text
    world.run()
    world.run(FIRST, SECOND)
    assert world.tick() == [], "the same again is no news"
    world.flow.raises = {}
    world.run(FIRST, SECOND)
    assert world.tick() == [], "one day is left"
    world.run(LAST, LAST)
    assert headings(world.tick())[0].startswith("RESOLVED: ")
    assert world.tick() == []


def test_a_run_that_said_no_day_is_settled_by_any_day_of_its_table(world: World) -> None:
    job = fake_definitions(world.settings, world.flow).resolve_implicit_global_asset_job_def()
    lines = [dg.AssetKey(["silver", "lines"])]
    job.execute_in_process(instance=world.instance, asset_selection=lines, raise_on_error=False)
    told = "CRITICAL: silver.lines not built: configuration failure"
    assert headings(world.tick()) == [told]
    world.run(FIRST, FIRST, ["silver.people", "gold.dim_person"])
    assert world.tick() == [], "others were built"
    world.run(SECOND, SECOND, ["silver.lines"])
    assert headings(world.tick()) == [told.replace("CRITICAL", "RESOLVED")]


def test_what_passes_by_itself_is_told_when_it_does_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retail_lake.orchestration.flow.ATTEMPTS", 1)
    world.flow.raises = {"bronze.people": TransientFailure("S3 does not answer")}
    world.run(FIRST, FIRST, ["bronze.people", "bronze.lines"])
    assert world.tick() == []
    world.later = timedelta(minutes=16)
    (text,) = world.tick()
    assert headings([text]) == ["WARNING: bronze.people not built for 2017-01-01: transient failure"]
    assert "S3 does not answer" in text
    assert "It blocks:* silver.people, gold.dim_person, gold.fact, gold.mart" in text
    world.flow.raises = {}
    world.run(FIRST, FIRST, ["bronze.people"])
    assert headings(world.tick()) == ["RESOLVED: bronze.people not built for 2017-01-01: transient failure"]


@pytest.mark.parametrize(("error", "said"), [(DataFailure, "data failure"), (RuntimeError, "a bug")], ids=["data", "bug"])
def test_no_value_of_a_row_gets_out(world: World, error: type[Exception], said: str) -> None:
    world.flow.raises = {"silver.lines": error(f"Conversion Error: Could not convert string '{NAME_OF_A_PERSON}' to INT64")}
    world.run(FIRST, FIRST, ["bronze.lines", "silver.lines", "gold.mart"])
    (text,) = world.tick()
    assert said in text
    assert NAME_OF_A_PERSON not in text and "Jane" not in text
    board = (world.settings.home / "lake" / "ops" / "alerts" / "open.json").read_text()
    assert NAME_OF_A_PERSON not in board


def test_a_blocked_day_is_told_by_its_table_and_not_by_its_runs(world: World) -> None:
    world.flow.blocked = {("silver.lines", SECOND)}
    world.run()
    world.publish("silver.lines", FIRST)
    world.publish("silver.lines", SECOND, "blocked", fingerprint="")
    (text,) = world.tick()
    assert headings([text]) == ["CRITICAL: silver.lines is blocked on 2017-01-02"]
    assert "readers see nothing of them" in text
    assert "6 of 12 rows of 2017-01-02 are in quarantine. Rules broken of 2017-01-02: id__not_be_null." in text
    assert "It blocks:* gold.dim_person, gold.fact, gold.mart" in text
    assert "quarantine.silver_lines" in text and "/assets/silver/lines" in text
    world.run()
    assert world.tick() == []
    world.publish("silver.lines", LAST, "blocked")
    assert headings(world.tick()) == ["CRITICAL: silver.lines is blocked on 2017-01-02 to 2017-01-03 (2 days)"]
    world.publish("silver.lines", SECOND)
    assert world.tick() == []
    world.publish("silver.lines", LAST)
    assert headings(world.tick())[0].startswith("RESOLVED: silver.lines is blocked")


def test_a_run_whose_process_died_is_told(world: World) -> None:
    job = dg.GraphDefinition("nightly").to_job()
    run = world.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    world.instance.report_run_failed(run, "The process of this run is gone.")
    assert world.tick() == [], "it is to be run again"
    world.later = timedelta(minutes=16)
    (text,) = world.tick()
    assert headings([text]) == ["CRITICAL: nightly not built: the run died"]
    assert run.run_id in text


def test_what_cannot_be_looked_at_is_told_and_ends_nothing(world: World) -> None:
    world.publish("silver.lines", SECOND, "blocked")
    assert len(world.tick()) == 1
    lake = world.lake

    def refused() -> Any:
        raise TransientFailure("s3://lake: does not answer")

    world.lake = SimpleNamespace(publications=refused, publications_by_day=refused)
    assert sorted(headings(world.tick())) == [
        "WARNING: Alerts of the kind `day blocked` cannot be looked for",
        "WARNING: Alerts of the kind `not fresh` cannot be looked for",
    ]
    world.lake = lake
    assert [h.split(":")[0] for h in headings(world.tick())] == ["RESOLVED", "RESOLVED"]
    assert world.skipped == "silver.lines is blocked on 2017-01-02"


def test_a_run_that_waits_for_too_long_is_told(world: World) -> None:
    job = dg.GraphDefinition("nightly").to_job()
    where = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "lake"), "nightly")
    run = world.instance.create_run_for_job(job, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=where)
    assert world.tick() == []
    world.later = timedelta(hours=2)
    assert headings(world.tick()) == ["WARNING: 1 runs wait in Dagster's queue for more than 1 h"]
    world.instance.delete_run(run.run_id)
    assert headings(world.tick())[0].startswith("RESOLVED")


def test_a_table_that_is_late_is_told(tmp_path: Path, webhook: Webhook) -> None:
    # A lake whose days go on: yesterday's sales are promised by nine in the morning, New York time.
    morning = datetime(2026, 3, 9, 12, 59, tzinfo=UTC)  # 08:59, the day after the clocks went forward
    settings = Settings(home=tmp_path, first_day=date(2026, 3, 1), last_day=date(2030, 1, 1))
    for world in open_world(settings, webhook):
        object.__setattr__(world.tables["gold.fact"], "fresh_within", timedelta(hours=9))
        world.later = morning - datetime.now(UTC)
        assert world.tick() == [], "an empty lake is not late"
        for day in (date(2026, 3, 6), date(2026, 3, 7)):
            world.publish("gold.fact", day)
        assert world.tick() == []
        world.later += timedelta(minutes=2)
        (text,) = world.tick()
        assert headings([text]) == ["CRITICAL: gold.fact is not fresh"]
        assert "2026-03-08 should be in it, and the newest one there is 2026-03-07." in text
        assert "late since 2026-03-09 13:00 UTC" in text
        world.publish("gold.fact", date(2026, 3, 8))
        assert headings(world.tick()) == ["RESOLVED: gold.fact is not fresh"]
        world.later += timedelta(days=1)
        assert headings(world.tick()) == ["CRITICAL: gold.fact is not fresh"]


def test_a_table_is_late_until_its_oldest_gap_is_filled(tmp_path: Path, webhook: Webhook) -> None:
    settings = Settings(home=tmp_path, first_day=date(2026, 3, 1), last_day=date(2030, 1, 1))
    for world in open_world(settings, webhook):
        object.__setattr__(world.tables["gold.fact"], "fresh_within", timedelta(hours=9))
        world.later = datetime(2026, 3, 10, 14, tzinfo=UTC) - datetime.now(UTC)
        for day in (6, 7, 9):
            world.publish("gold.fact", date(2026, 3, day))
        (text,) = world.tick()
        assert headings([text]) == ["CRITICAL: gold.fact is not fresh"]
        assert "2026-03-08 should be in it, and the newest one there is 2026-03-09." in text
        assert "late since 2026-03-09 13:00 UTC" in text
        assert world.tick() == []
        world.later += timedelta(days=1)
        (text,) = world.tick()
        assert "2 days from 2026-03-08 to 2026-03-10 should be in it" in text, "the newest day is news"
        world.publish("gold.fact", date(2026, 3, 10))
        assert world.tick() == []
        world.later += timedelta(days=2)
        assert headings(world.tick()) == ["CRITICAL: gold.fact is not fresh"]
        for day in (8, 11, 12):
            world.publish("gold.fact", date(2026, 3, day), rows=0)
        assert headings(world.tick()) == ["RESOLVED: gold.fact is not fresh"]


@pytest.fixture
def remote(tmp_path: Path, webhook: Webhook) -> Iterator[World]:
    here = {"lake_uri": str(tmp_path / "lake"), "artifacts_uri": str(tmp_path / "artifacts"), "budget_per_day": 10.0,
            "budget_per_run": 6.0, "catalog_uri": f"sqlite:///{tmp_path / 'catalog.db'}"}  # fmt: skip
    (tmp_path / "artifacts" / "launches").mkdir(parents=True)
    yield from open_world(on_glue(tmp_path).model_copy(update=here), webhook)


def test_a_job_that_outlives_its_run_is_told(remote: World) -> None:
    job = dg.GraphDefinition("nightly").to_job()
    dead = remote.instance.create_run_for_job(job, status=dg.DagsterRunStatus.CANCELED)
    alive = remote.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    for token, run in (("dead", dead), ("alive", alive)):
        launches.opened(
            remote.settings,
            launches.Opened(
                token=token, engine="glue", run_id=run.run_id, table="silver.lines", remote_id=f"jr_{token}",
                submitted_at=datetime.now(UTC),
            ),
        )  # fmt: skip
    assert remote.tick() == [], "the reaper has its time"
    remote.later = timedelta(minutes=11)
    (text,) = remote.tick()
    assert headings([text]) == ["CRITICAL: A job on glue goes on without its run"]
    assert "jr_dead" in text and dead.run_id in text
    launches.closed(remote.settings, "dead")
    assert headings(remote.tick())[0].startswith("RESOLVED")


def test_a_budget_is_told_when_it_is_nearly_and_when_it_is_used_up(remote: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retail_lake.cost.budget.REFRESH_SECONDS", 0.0)

    def spend(token: str, dollars: float) -> None:
        used = ledger.Used(
            token=token, run_id=f"run-{token}", table="silver.lines", engine="glue", remote_id="j", usage={}, dollars=dollars,
            ended_at=datetime.now(UTC), succeeded=True,
        )  # fmt: skip
        ledger.record(remote.settings, used)

    spend("a", 5.0)
    assert remote.tick() == []
    spend("b", 3.5)
    assert "nearly used up" in headings(remote.tick())[0]
    spend("c", 6.5)
    told = headings(remote.tick())
    assert sorted(h.split(":")[0] for h in told) == ["CRITICAL", "WARNING"]
    assert "is used up" in told[0] and told[1] == "WARNING: Run run-c cost more than a run may"
    assert remote.tick() == []


def test_what_the_webhook_gets_is_what_slack_takes(world: World) -> None:
    """The whole way once, by the wire: JSON with a text, and nothing that pings a channel."""
    world.publish("silver.lines", SECOND, "blocked")
    taken: list[Any] = []
    real = urllib.request.OpenerDirector.open

    def seen(self: Any, request: Any, *args: Any, **more: Any) -> Any:
        taken.append((request.get_method(), request.get_header("Content-type"), json.loads(request.data)))
        return real(self, request, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(urllib.request.OpenerDirector, "open", seen)
        world.tick()
    ((method, kind, body),) = taken
    assert (method, kind, list(body)) == ("POST", "application/json", ["text"])


def test_owners_of_blocked_tables_are_told(tmp_path: Path, webhook: Webhook) -> None:
    settings = Settings(home=tmp_path, first_day=FIRST, last_day=LAST, alert_routes=(Route(to="webhook", owner="team:till"),))
    for world in open_world(settings, webhook):
        assert world.tables["silver.lines"].layer is Layer.SILVER
        object.__setattr__(world.tables["silver.lines"], "owner", "team:till")
        world.publish("silver.lines", SECOND, "blocked")
        world.publish("silver.people", SECOND, "blocked")
        assert headings(world.tick()) == ["CRITICAL: silver.lines is blocked on 2017-01-02"]
