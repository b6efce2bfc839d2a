"""What jobs used and cost, in numbers that plot: on every day's materialization, shared by rows, and adding up to the bill."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from retail_lake.config import Settings
from retail_lake.demo.serve import serve
from retail_lake.engines.local import LocalEngine
from retail_lake.jobs.description import JobDescription, JobReport
from retail_lake.orchestration import build_definitions
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.resources import resource
from retail_lake.orchestration.run import RunSummary, materialize_range
from retail_lake_tests.orchestration.fakes import FakeFlow, FakeRemote, fake_definitions, on_glue

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 3)
DPU_SECONDS = 900.0
DOLLARS_A_DPU_HOUR = 0.44
CONSOLE = "https://console.aws.amazon.com/glue/job-1"


class Metered(FakeRemote):
    """The local engine under another name, with a meter and a console."""

    settings: Settings

    def heard(self, channel: Any, stop: Any, progress: Any) -> Metered:
        return self

    def run(self, job: JobDescription) -> JobReport:
        report = LocalEngine(self.settings).run(job)
        return report.model_copy(update={"engine": "glue", "usage": {"dpu_seconds": DPU_SECONDS}, "console": CONSOLE})


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunSummary, dict[str, dict[str, Any]]]]:
    """A run of one real table for three days, and each day's metadata."""
    home = tmp_path_factory.mktemp("home")
    settings = on_glue(home).model_copy(update={"last_day": LAST})
    serve(settings.landing_uri, home / "ledger", FIRST, 3)
    engine = Metered(home)
    engine.settings = settings
    before = dict(os.environ)
    definitions = build_definitions(settings=settings, resources={"glue": resource(lambda: engine)})
    summary = materialize_range(
        ["bronze.redemptions"], FIRST, LAST, settings=settings, definitions=definitions, progress=lambda _: None
    )
    with open_instance(settings) as instance:
        found = instance.fetch_materializations(dg.AssetKey(["bronze", "redemptions"]), limit=9).records
    os.environ.clear()
    os.environ.update(before)
    yield summary, {str(r.partition_key): dict(r.asset_materialization.metadata) for r in found}  # type: ignore[union-attr]


def test_days_share_what_their_job_used_by_rows(told: tuple[RunSummary, dict[str, dict[str, Any]]]) -> None:
    summary, metadata = told
    assert summary.success and len(metadata) == 3
    rows = {day: m["rows_in"].value for day, m in metadata.items()}
    assert len(set(rows.values())) > 1
    for day, found in metadata.items():
        share = rows[day] / sum(rows.values())
        assert isinstance(found["dpu_seconds"], dg.FloatMetadataValue)
        assert found["dpu_seconds"].value == pytest.approx(DPU_SECONDS * share)
        assert isinstance(found["cost_usd"], dg.FloatMetadataValue)
        assert found["cost_usd"].value == pytest.approx(DPU_SECONDS / 3600 * DOLLARS_A_DPU_HOUR * share)
    assert sum(m["cost_usd"].value for m in metadata.values()) == pytest.approx(DPU_SECONDS / 3600 * DOLLARS_A_DPU_HOUR)


def test_a_day_says_what_ran_it_and_where_aws_shows_that(told: tuple[RunSummary, dict[str, dict[str, Any]]]) -> None:
    for found in told[1].values():
        assert found["engine"].value == "glue"
        assert found["console"] == dg.MetadataValue.url(CONSOLE)


def test_what_ran_here_has_no_cost(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, first_day=FIRST, last_day=LAST)
    materialize_range(
        ["bronze.lines"], FIRST, FIRST, settings=settings, definitions=fake_definitions(settings, FakeFlow()), progress=print
    )
    with open_instance(settings) as instance:
        (record,) = instance.fetch_materializations(dg.AssetKey(["bronze", "lines"]), limit=9).records
    assert not {"cost_usd", "console", "dpu_seconds"} & set(record.asset_materialization.metadata)  # type: ignore[union-attr]
