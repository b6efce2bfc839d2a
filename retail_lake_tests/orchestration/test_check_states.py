"""The days of each check by state, all at once: the same as Dagster finds them one by one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionResolvedStatus
from dagster._core.storage.asset_check_state import AssetCheckState, bulk_update_asset_check_state

from retail_lake.orchestration.check_states import check_states
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.run import materialize_range
from retail_lake_tests.orchestration.fakes import FakeFlow, fake_definitions, fake_settings


def test_the_same_as_one_by_one(tmp_path: Path) -> None:
    settings = fake_settings(tmp_path)
    flow = FakeFlow(
        blocked={("silver.lines", date(2017, 1, n)) for n in (2, 3, 9)}, incomplete={("bronze.lines", date(2017, 1, 4))}
    )
    definitions = fake_definitions(settings, flow)
    for first, last in ((1, 5), (8, 12)):
        materialize_range(
            None, date(2017, 1, first), date(2017, 1, last), settings=settings, definitions=definitions, progress=lambda _: None
        )
    flow.blocked.remove(("silver.lines", date(2017, 1, 3)))
    materialize_range(
        ["silver.lines"], date(2017, 1, 3), date(2017, 1, 3), settings=settings, definitions=definitions, progress=lambda _: None
    )
    graph = definitions.resolve_asset_graph()
    keys = [(key, graph.get(key).partitions_def) for key in sorted(graph.asset_check_keys)]
    with open_instance(settings) as instance:
        # A day that has a newer materialization than verdict.
        instance.report_runless_asset_event(dg.AssetMaterialization(["gold", "fact"], partition="2017-01-08"))
        one_by_one = bulk_update_asset_check_state(instance, keys, {key: AssetCheckState.empty() for key, _ in keys})
        found = instance.event_log_storage.get_asset_check_state(keys)
        assert found == check_states(instance, keys)
    lines = found[dg.AssetCheckKey(dg.AssetKey(["silver", "lines"]), "day")].subsets
    assert _days(lines[AssetCheckExecutionResolvedStatus.FAILED]) == ["2017-01-02", "2017-01-09"]
    fact = found[dg.AssetCheckKey(dg.AssetKey(["gold", "fact"]), "day")].subsets
    assert "2017-01-08" not in [
        *_days(fact[AssetCheckExecutionResolvedStatus.SUCCEEDED]),
        *_days(fact[AssetCheckExecutionResolvedStatus.FAILED]),
    ]
    for key, _ in keys:
        assert {s: _days(v) for s, v in found[key].subsets.items()} == {s: _days(v) for s, v in one_by_one[key].subsets.items()}
        assert found[key].in_progress_runs.keys() == one_by_one[key].in_progress_runs.keys()
        assert found[key].latest_storage_id == one_by_one[key].latest_storage_id


def _days(subset: Any) -> list[str]:
    """The days of a subset; of one without days, whether it is."""
    return [str(subset.value)] if isinstance(subset.value, bool) else sorted(subset.value.get_partition_keys())
