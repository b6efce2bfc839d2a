"""The arrival sensor over a real instance and a real landing folder: asset events and runs, once, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import RUN_KEY_TAG

from retail_lake.arrivals import book
from retail_lake.config import Settings
from retail_lake.orchestration.arrivals import arrivals
from retail_lake.orchestration.graph import Graph
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.resources import resource
from retail_lake_tests.orchestration.fakes import INPUTS, TABLES, FakeFlow, FakeLake, fake_definitions, fake_settings

DAY, NEXT = date(2017, 1, 3), date(2017, 1, 4)
LANDING = dg.AssetKey(["landing", "tills", "lines"])


@dataclass
class Sensor:
    """The sensor as a daemon has it: with a cursor, and a clock."""

    settings: Settings
    instance: dg.DagsterInstance
    definitions: Any
    clock: datetime = datetime(2017, 1, 14, 12, tzinfo=UTC)
    cursor: str | None = None
    skipped: str | None = None

    def __post_init__(self) -> None:
        self.sensor = arrivals(Graph.of(self.settings, TABLES, INPUTS), now=lambda: self.clock)
        self.repository = self.definitions.get_repository_def()

    def tick(self, seconds: float = 60) -> list[dg.RunRequest]:
        """What a tick requests, so many seconds after the one before."""
        self.clock += timedelta(seconds=seconds)
        context = dg.build_sensor_context(
            self.instance, self.cursor, repository_def=self.repository, resources={"lake": resource(FakeLake)}
        )
        found = self.sensor.evaluate_tick(context)
        self.cursor, self.skipped = found.cursor, found.skip_message
        return list(found.run_requests)

    def put(self, key: str) -> None:
        path = Path(self.settings.landing_uri) / "tills" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")

    def run(self, request: dg.RunRequest) -> bool:
        """Run it, as a daemon would."""
        days = {"dagster/partition": request.partition_key} if request.partition_key else request.tags
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return bool(
            job.execute_in_process(
                instance=self.instance,
                asset_selection=list(request.asset_selection or ()),
                partition_key=request.partition_key,
                tags={RUN_KEY_TAG: str(request.run_key), **days},
                raise_on_error=False,
            ).success
        )

    def told(self) -> list[tuple[str | None, int]]:
        """The asset events of lines: their days, and how many files each tells of."""
        found = self.instance.fetch_materializations(LANDING, limit=100, ascending=True).records
        events = [record.asset_materialization for record in found]
        return [(e.partition, int(str(e.metadata["files"].value))) for e in events if e]


@pytest.fixture
def flow() -> FakeFlow:
    return FakeFlow()


@pytest.fixture
def sensor(tmp_path: Path, flow: FakeFlow) -> Iterator[Sensor]:
    settings = fake_settings(tmp_path)
    with open_instance(settings) as instance:
        yield Sensor(settings, instance, fake_definitions(settings, flow))


def shown(requests: list[dg.RunRequest]) -> list[tuple[list[str], Any]]:
    range_of = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    return [
        (
            [key.to_user_string() for key in r.asset_selection or ()],
            r.partition_key or tuple(r.tags[name] for name in range_of),
        )
        for r in requests
    ]


def test_arrivals_become_asset_events_and_a_run_of_just_their_tables_and_days(sensor: Sensor, flow: FakeFlow) -> None:
    for key in (f"lines/{DAY}/a.csv", f"lines/{DAY}/b.csv", f"people/{NEXT}/a.csv", f"lines/{NEXT}/a.csv"):
        sensor.put(key)
    assert sensor.tick() == []
    assert sensor.told() == [("2017-01-03", 2), ("2017-01-04", 1)]
    requests = sensor.tick()
    assert shown(requests) == [(["bronze/lines"], (str(DAY), str(NEXT))), (["bronze/people"], str(NEXT))]
    assert all(sensor.run(request) for request in requests)
    assert [(name, days) for name, days, _ in flow.calls] == [("bronze.lines", (DAY, NEXT)), ("bronze.people", (NEXT,))]
    assert [sensor.tick() for _ in range(3)] == [[], [], []]
    assert sensor.told() == [("2017-01-03", 2), ("2017-01-04", 1)]


def test_a_request_stands_until_a_run_goes_its_way(sensor: Sensor) -> None:
    sensor.put(f"lines/{DAY}/a.csv")
    sensor.tick()
    (request,) = sensor.tick()
    # Nobody launched it, whatever the cursor says: a daemon was killed after the tick, or before it.
    for cursor in (sensor.cursor, None, sensor.cursor):
        sensor.cursor = cursor
        assert [r.run_key for r in sensor.tick()] == [request.run_key]
    made = sensor.instance.create_run_for_job(
        dg.GraphDefinition("nothing").to_job(), status=dg.DagsterRunStatus.NOT_STARTED, tags={RUN_KEY_TAG: str(request.run_key)}
    )
    assert [r.run_key for r in sensor.tick()] == [request.run_key]
    sensor.instance.report_run_failed(made)
    assert sensor.tick() == []


def test_a_day_that_failed_is_asked_for_when_something_new_comes(sensor: Sensor, flow: FakeFlow) -> None:
    flow.blocked = {("bronze.lines", DAY)}
    sensor.put(f"lines/{DAY}/a.csv")
    sensor.tick()
    (request,) = sensor.tick()
    assert not sensor.run(request)
    assert [sensor.tick(3600) for _ in range(5)] == [[]] * 5
    sensor.put(f"lines/{DAY}/b.csv")
    assert sensor.tick() == []
    (again,) = sensor.tick()
    assert again.run_key != request.run_key and again.partition_key == str(DAY)


def test_a_tick_that_is_killed_after_it_told_does_not_tell_again(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    sensor.put(f"lines/{DAY}/a.csv")
    write, count = book.Book.write_days, 0

    def second_is_killed(self: book.Book, days: Any) -> None:
        nonlocal count
        if days:
            count += 1
            if count == 2:
                raise Killed
        write(self, days)

    with monkeypatch.context() as patch:
        patch.setattr(book.Book, "write_days", second_is_killed)
        with pytest.raises(Killed):
            sensor.tick()
    assert sensor.told() == [("2017-01-03", 1)]
    sensor.tick()
    assert sensor.told() == [("2017-01-03", 1)]
    assert shown(sensor.tick()) == [(["bronze/lines"], str(DAY))]


def test_a_tick_leaves_one_that_is_still_at_work_alone(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor.put(f"lines/{DAY}/a.csv")
    at_work, go_on = threading.Event(), threading.Event()
    write = book.Book.write_days

    def slowly(self: book.Book, days: Any) -> None:
        at_work.set()
        assert go_on.wait(60)
        write(self, days)

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as other:
        patch.setattr(book.Book, "write_days", slowly)
        first = other.submit(sensor.tick)
        assert at_work.wait(60)
        patch.setattr(book.Book, "write_days", write)
        sensor.put(f"lines/{NEXT}/a.csv")
        second = (sensor.tick(), sensor.skipped, sensor.told())
        go_on.set()
        assert first.result() == []
    assert second == ([], "An earlier look is still at work; this one leaves it alone.", [])
    sensor.tick()
    assert shown(sensor.tick()) == [(["bronze/lines"], (str(DAY), str(NEXT)))]
    assert sensor.told() == [("2017-01-03", 1), ("2017-01-04", 1)]


def test_the_asset_event_shows_what_came(sensor: Sensor) -> None:
    for n in range(30):
        sensor.put(f"lines/{DAY}/f{n:02d}.csv")
    sensor.tick()
    (record,) = sensor.instance.fetch_materializations(LANDING, limit=2).records
    assert record.asset_materialization is not None
    metadata = record.asset_materialization.metadata
    assert (metadata["files"].value, metadata["bytes"].value, metadata["day"].value) == (30, 30, "complete")
    assert len(metadata["keys"].records) == 20  # type: ignore[attr-defined]
