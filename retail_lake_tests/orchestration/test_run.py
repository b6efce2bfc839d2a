"""A run over a range: what a bad day does, and what Dagster is told of every day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import AssetCheckKey, AssetKey, DagsterEventType

from retail_lake.failure import ConfigurationFailure, DataFailure
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.run import RunSummary, materialize_range
from retail_lake_tests.orchestration.fakes import TABLES, FakeFlow, FakeRemote, fake_definitions, fake_settings, on_glue

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 5)
DAYS = [FIRST + timedelta(days=i) for i in range(5)]
BAD = date(2017, 1, 3)


def go(home: Path, flow: FakeFlow, tables: Iterable[str] | None = None, first: date = FIRST, last: date = LAST) -> RunSummary:
    settings = fake_settings(home)
    return materialize_range(
        tables, first, last, settings=settings, definitions=fake_definitions(settings, flow), progress=lambda _: None
    )


def materialized(instance: dg.DagsterInstance, *key: str) -> set[str]:
    return set(instance.get_materialized_partitions(AssetKey(key)))


def verdicts(instance: dg.DagsterInstance, *key: str, check: str = "day") -> dict[str | None, str]:
    found = instance.event_log_storage.get_asset_check_partition_info([AssetCheckKey(AssetKey(key), check)])
    return {f.partition_key: f.latest_execution_status.value for f in found}


def days(*but: date) -> set[str]:
    return {d.isoformat() for d in DAYS if d not in but}


def test_good_days_flow_past_a_bad_one_and_the_bad_one_fails_everywhere(tmp_path: Path) -> None:
    flow = FakeFlow(blocked={("silver.lines", BAD)})
    summary = go(tmp_path, flow)
    assert not summary.success
    assert "silver.lines 2017-01-03: blocked: id__not_be_null (6 of 12 rows)" in summary.problems
    with open_instance(fake_settings(tmp_path)) as instance:
        assert materialized(instance, "bronze", "lines") == days()
        assert materialized(instance, "silver", "people") == days()
        # The mart reads two days, and still only the bad day itself fails.
        for key in (("silver", "lines"), ("gold", "fact"), ("warehouse", "fact"), ("gold", "mart"), ("warehouse", "mart")):
            assert materialized(instance, *key) == days(BAD)
            assert verdicts(instance, *key) == {d.isoformat(): "FAILED" if d == BAD else "SUCCEEDED" for d in DAYS}
        run = instance.get_run_by_id(summary.run_id)
        assert run is not None and run.status is dg.DagsterRunStatus.FAILURE
        assert len(instance.get_runs()) == 1
    calls = {name: (asked, unavailable) for name, asked, unavailable in flow.calls}
    assert calls["gold.fact"] == (tuple(DAYS), frozenset({BAD}))
    assert calls["gold.dim_person"] == ((), frozenset())
    order = [name for name, *_ in flow.calls]
    assert order == [
        "bronze.lines",
        "bronze.people",
        "silver.lines",
        "silver.people",
        "gold.dim_person",
        "gold.fact",
        "gold.mart",
    ]


def test_a_day_that_lost_a_row_on_the_way_is_bad_and_says_so(tmp_path: Path) -> None:
    summary = go(tmp_path, FakeFlow(lost={("silver.lines", BAD)}), ["silver.lines"])
    says = "silver.lines 2017-01-03: blocked: rows are missing or too many (12 in, but 9 to publish, 1 in quarantine and 1 dup"
    assert says in summary.problems
    with open_instance(fake_settings(tmp_path)) as instance:
        assert materialized(instance, "silver", "lines") == days(BAD)
        told = {}
        for name in ("conservation", "day", "id__not_be_null"):
            key = AssetCheckKey(AssetKey(["silver", "lines"]), name)
            history = instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
            told[name] = {h.partition: h.event.dagster_event.asset_check_evaluation_data for h in history}  # type: ignore[union-attr]
    assert not told["conservation"][None].passed
    assert told["conservation"][None].metadata["days"].value == str(BAD)
    assert told["id__not_be_null"][None].passed
    assert {day for day, verdict in told["day"].items() if not verdict.passed} == {str(BAD)}
    assert told["day"][str(BAD)].metadata["failed_rules"].value == "conservation"


def test_one_event_per_day_and_one_evaluation_per_rule(tmp_path: Path) -> None:
    summary = go(tmp_path, FakeFlow(), ["silver.lines"])
    assert summary.success
    with open_instance(fake_settings(tmp_path)) as instance:
        entries = [e.get_dagster_event() for e in instance.all_logs(summary.run_id) if e.is_dagster_event]
    counted = Counter(e.event_type for e in entries)
    assert counted[DagsterEventType.ASSET_MATERIALIZATION] == 5
    told = [e.asset_check_evaluation_data for e in entries if e.event_type is DagsterEventType.ASSET_CHECK_EVALUATION]
    assert Counter(t.check_name for t in told)["day"] == 5
    rule = next(t for t in told if t.check_name == "id__not_be_null")
    assert [r.data["day"] for r in rule.metadata["days"].value.records] == [d.isoformat() for d in DAYS]  # type: ignore[union-attr]
    assert rule.metadata["sample"].value.records[0].data == {"id": "", "card": "***"}  # type: ignore[union-attr]
    kept = next(t for t in told if t.check_name == "conservation")
    assert kept.passed and kept.metadata["rows_in"].value == 60
    first = next(e for e in entries if e.event_type is DagsterEventType.ASSET_MATERIALIZATION)
    metadata = first.step_materialization_data.materialization.metadata
    assert metadata["dagster/row_count"].value == 10
    assert metadata["rows_delta"].value == 1
    assert metadata["snapshot_id"].value == str(2**62 + 1)


def test_again_changes_nothing_and_still_completes_a_backfill(tmp_path: Path) -> None:
    flow = FakeFlow()
    go(tmp_path, flow)
    again = go(tmp_path, flow)
    assert again.success
    assert {d.status for r in again.results for d in r.days} == {"unchanged"}
    with open_instance(fake_settings(tmp_path)) as instance:
        found = instance.fetch_materializations(dg.AssetRecordsFilter(AssetKey(["gold", "fact"])), limit=5).records
        assert {r.run_id for r in found} == {again.run_id}
        assert all(r.asset_materialization.metadata["status"].value == "unchanged" for r in found)  # type: ignore[union-attr]
        assert set(verdicts(instance, "gold", "fact").values()) == {"SUCCEEDED"}


def test_what_was_not_judged_again_keeps_its_verdict_and_says_whose_it_is(tmp_path: Path) -> None:
    flow = FakeFlow(blocked={("silver.lines", BAD)})
    first = go(tmp_path, flow, ["silver.lines"])
    flow.blocked.clear()
    flow.published.add(("silver.lines", BAD))
    again = go(tmp_path, flow, ["silver.lines"])
    assert {d.status for r in again.results for d in r.days} == {"unchanged"}
    with open_instance(fake_settings(tmp_path)) as instance:
        checks = [AssetCheckKey(AssetKey(["silver", "lines"]), r.name) for r in TABLES["silver.lines"].rules]
        checks.append(AssetCheckKey(AssetKey(["silver", "lines"]), "conservation"))
        assert len(checks) == 4
        for check in checks:
            new, old = instance.event_log_storage.get_asset_check_execution_history(check, limit=2)
            assert (new.run_id, old.run_id) == (again.run_id, first.run_id)
            assert new.status == old.status
            assert new.status.value == ("FAILED" if check.name == "id__not_be_null" else "SUCCEEDED")
            said = new.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
            assert said.metadata["judged_in_run"].value == first.run_id


def test_no_two_days_share_a_millisecond(tmp_path: Path) -> None:
    # The UI would show one of them only.
    go(tmp_path, FakeFlow())
    with open_instance(fake_settings(tmp_path)) as instance:
        found = instance.fetch_materializations(AssetKey(["bronze", "lines"]), limit=9).records
    assert len({int(r.timestamp * 1000) for r in found}) == len(DAYS)


def test_executing_checks_alone_builds_nothing(tmp_path: Path) -> None:
    flow = FakeFlow()
    go(tmp_path, flow, ["silver.lines"])
    flow.calls.clear()
    settings = fake_settings(tmp_path)
    check = AssetCheckKey(AssetKey(["silver", "lines"]), "id__not_be_null")
    with open_instance(settings) as instance:
        job = fake_definitions(settings, flow).resolve_implicit_global_asset_job_def()
        job = job.get_subset(asset_selection=set(), asset_check_selection={check})
        result = job.execute_in_process(instance=instance)
        (latest,) = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert result.success and flow.calls == []
    assert (latest.run_id, latest.status.value) == (result.run_id, "SUCCEEDED")


def test_an_incomplete_day_is_published_and_warns(tmp_path: Path) -> None:
    summary = go(tmp_path, FakeFlow(incomplete={("bronze.lines", BAD)}))
    assert summary.success
    with open_instance(fake_settings(tmp_path)) as instance:
        assert materialized(instance, "gold", "fact") == days()
        assert verdicts(instance, "bronze", "lines")[BAD.isoformat()] == "FAILED"
        key = AssetCheckKey(AssetKey(["bronze", "lines"]), "day")
        history = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        bad = [h.event.dagster_event.asset_check_evaluation_data for h in history if h.partition == BAD.isoformat()]  # type: ignore[union-attr]
        assert [b.severity for b in bad] == [dg.AssetCheckSeverity.WARN]
        assert "did not arrive" in (bad[0].description or "")


def test_a_table_whose_job_fails_stops_what_reads_it_and_nothing_else(tmp_path: Path) -> None:
    flow = FakeFlow(raises={"silver.people": DataFailure("people.csv: not a file of people")})
    summary = go(tmp_path, flow)
    states = {r.name: {d.status for d in r.days} for r in summary.results}
    assert states["silver.people"] == {"failed"}
    assert states["silver.lines"] == {"published"}
    for name in ("gold.dim_person", "gold.fact", "gold.mart", "warehouse.dim_person", "warehouse.fact"):
        assert states[name] == {"skipped"}
    assert "people.csv: not a file of people" in summary.problems


def test_a_wrong_configuration_is_one_message(tmp_path: Path) -> None:
    flow = FakeFlow(raises={"bronze.lines": ConfigurationFailure("RETAIL_LAKE_X is wrong")})
    with pytest.raises(ConfigurationFailure, match=r"bronze\.lines: RETAIL_LAKE_X is wrong"):
        go(tmp_path, flow)


def test_days_outside_the_lake_and_unknown_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFailure, match="RETAIL_LAKE_LAST_DAY"):
        go(tmp_path, FakeFlow(), last=date(2018, 6, 1))
    with pytest.raises(ConfigurationFailure, match=r"gold\.nothing"):
        go(tmp_path, FakeFlow(), ["gold.nothing"])


def test_a_run_may_name_its_engine_and_hears_which_there_are(tmp_path: Path) -> None:
    settings = on_glue(tmp_path)
    glue, emr = FakeRemote(tmp_path, seconds=0), FakeRemote(tmp_path, seconds=0, name="emr")
    definitions = fake_definitions(settings, FakeFlow(runs_jobs=True), glue=glue, emr=emr)
    one: dict[str, Any] = {"settings": settings, "definitions": definitions, "progress": lambda _: None}
    assert materialize_range(["bronze.lines"], FIRST, FIRST, **one).success
    assert (len(glue.most), len(emr.most)) == (1, 0)
    assert materialize_range(["bronze.people"], FIRST, FIRST, engine="emr", **one).success
    assert (len(glue.most), len(emr.most)) == (1, 1)
    with pytest.raises(ConfigurationFailure, match=r"'emrr'.*local, spark, glue, emr_serverless, emr, awslambda"):
        materialize_range(["bronze.lines"], FIRST, FIRST, engine="emrr", **one)


def test_a_failure_says_all_that_the_engine_said(tmp_path: Path) -> None:
    said = "silver.people on glue: out of memory.\nhttps://console.aws.amazon.com/job-1\nLast lines of its log:\n  Killed"
    summary = go(tmp_path, FakeFlow(raises={"silver.people": DataFailure(said)}))
    assert said in summary.problems
