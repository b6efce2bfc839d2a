"""The silver days that arrivals touch, requested: a sensor over what bronze published.

Belongs here: silver days into run requests. Does not: which days are due (`due.py`), arrivals into bronze (`arrivals.py`),
gold and the warehouse (`automation.py`).

A bronze day says which business days its records claim (`touched_days`), a window of ten days and more that Dagster's own
partition mappings cannot follow: they would ask for all of it for each late row. Each content is asked for once: by the key
of its run, and by the cursor, which may be lost without harm.

Without postponed annotations: Dagster reads the sensor's own.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Final

import dagster as dg

from retail_lake.contract import Layer
from retail_lake.orchestration.due import Due, Fingerprints, from_text, remembered, same, to_text
from retail_lake.orchestration.graph import table_key
from retail_lake.orchestration.in_flight import in_flight
from retail_lake.orchestration.outlook import Outlook
from retail_lake.orchestration.ranges import Range, ranges

NAME: Final = "touched_days"
SECONDS: Final = 30
RUNS_A_TICK: Final = 12
"""The rest is for the next tick."""


def touched_days(outlook: Outlook) -> dg.SensorDefinition:
    """The sensor, which runs unless somebody stops it."""
    graph = outlook.graph
    silver = [t for t in graph.tables.values() if t.layer is Layer.SILVER]

    @dg.sensor(
        name=NAME,
        description=(
            "Requests the silver days that arrivals touched, late ones too: one run for each range of days within a month."
            " What could not be built is requested again when its inputs change."
        ),
        asset_selection=dg.AssetSelection.assets(*(table_key(t) for t in silver)),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before = _from_cursor(context.cursor)
        for table in silver:
            outlook.remember(table.full_name, before.get(table.full_name, {}))
        due = outlook.look(lambda: in_flight(context.instance, graph))
        wanted: dict[str, set[date]] = {}
        for table in silver:
            asked = before.get(table.full_name, {})
            wanted[table.full_name] = {
                day for day, print in due.ready(table, wanted).items() if day and not same(asked.get(day), print)
            }
        runs = list(ranges(wanted))[:RUNS_A_TICK]
        requested = {name: {d for names, days in runs if name in names for d in days.days} for name in wanted}
        after = {n: remembered(before.get(n, {}), due.changed.get(n, {}), days) for n, days in requested.items()}
        for name, asked in after.items():
            outlook.remember(name, asked)
        nothing = "Silver is built from all that has arrived, or nothing more can be done."
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=_key(names, days, due),
                    asset_selection=[table_key(graph.tables[n]) for n in sorted(names)],
                    tags=days.tags,
                )
                for names, days in runs
            ],
            skip_reason=None if runs else dg.SkipReason(nothing),
            cursor=json.dumps({name: to_text(asked) for name, asked in after.items() if asked}),
        )

    return look


def _from_cursor(text: str | None) -> Mapping[str, Fingerprints]:
    """What was asked for, by table; nothing from a cursor that is not ours."""
    try:
        return {name: from_text(asked) for name, asked in json.loads(text or "{}").items()}
    except (ValueError, AttributeError):
        return {}


def _key(names: frozenset[str], days: Range, due: Due) -> str:
    """The same for the same contents in place of the same: Dagster launches a key once. What they replace counts as well,
    so that a content that went and came back is asked for again."""
    parts = [
        (name, str(day), due.changed[name].get(day, ""), due.published.get(name, {}).get(day, ""))
        for name in sorted(names)
        for day in days.days
    ]
    return f"{days.first}/{days.last}/{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]}"
