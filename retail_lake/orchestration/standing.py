"""Verdicts that still hold: what an earlier run found of a table that this run had no need to build.

Belongs here: finding them and saying them again. Does not: new verdicts (`events.py`).

Dagster plans every check of a run's tables and shows one without a result as not executed. A table whose inputs, code and
rules are the same would be judged the same, so that its last verdict is the answer, with the run that gave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

JUDGED_IN = "judged_in_run"
_JUDGED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


def standing(instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> Iterator[dg.AssetCheckEvaluation]:
    """The last verdict of each check that has one, as it was."""
    for key in checks:
        for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=_JUDGED):
            if record.event is None or record.event.dagster_event is None:
                continue
            found = record.event.dagster_event.asset_check_evaluation_data
            yield dg.AssetCheckEvaluation(
                key.asset_key,
                key.name,
                passed=found.passed,
                metadata={JUDGED_IN: dg.MetadataValue.dagster_run(record.run_id), **found.metadata},
                severity=found.severity,
                description=found.description,
                partition=found.partition,
            )
