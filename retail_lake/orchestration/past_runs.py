"""How long tables took in past runs, from what their materializations say.

Belongs here: reading that from Dagster's events. Does not: what follows for the next run (`backfill/estimate.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from retail_lake.backfill.estimate import Sample

if TYPE_CHECKING:
    from dagster import DagsterInstance

LOOKED_AT: Final = 200
"""The latest materializations of a table that count."""


def past_runs(instance: DagsterInstance, names: Iterable[str]) -> dict[str, list[Sample]]:
    """By table, what each of its latest runs built and took; days that a run left alone do not count."""
    return {name: _samples(instance, name) for name in names}


def _samples(instance: DagsterInstance, name: str) -> list[Sample]:
    by_run: dict[str, list[tuple[int, float]]] = {}
    for record in instance.fetch_materializations(dg.AssetKey(name.split(".")), limit=LOOKED_AT).records:
        said = record.asset_materialization
        if said is None or _value(said, "status") not in ("published", "incomplete"):
            continue
        rows = _value(said, "rows_in")
        rows = _value(said, "dagster/row_count") if rows is None else rows
        by_run.setdefault(record.run_id, []).append((int(rows or 0), float(_value(said, "seconds") or 0)))
    return [Sample(len(days), sum(r for r, _ in days), sum(s for _, s in days)) for days in by_run.values()]


def _value(said: dg.AssetMaterialization, name: str) -> Any:
    value = said.metadata.get(name)
    return value.value if value is not None else None
