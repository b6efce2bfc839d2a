"""From silver on, by declaration: gold when its inputs have changed, the warehouse when gold has, dimensions before facts.

Belongs here: the conditions of the gold and warehouse assets, and the sensor that evaluates them. Does not: which days are due
(`due.py`), silver (`touched_days.py`).

The conditions look at what is published and loaded, not at Dagster's events since the last tick, as `eager()` does: an event
can be lost with a killed daemon or a failed run, and then nobody would ask again. What was asked for is remembered with its
fingerprint in the condition's cursor, so that a table that fails is not asked for again until its inputs change. Days whose
code alone has changed are not asked for: `retail-lake backfill --stale` is.

Without postponed annotations: Dagster reads the conditions' own.
"""

import warnings
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from retail_lake.contract import Layer, Table
from retail_lake.orchestration.due import Day, Due, Fingerprints, from_text, remembered, same, to_text
from retail_lake.orchestration.graph import table_key, warehouse_key
from retail_lake.orchestration.in_flight import in_flight
from retail_lake.orchestration.outlook import Outlook
from retail_lake.orchestration.ranges import ranges
from retail_lake.orchestration.run import PARTITION

NAME: Final = "automation"
SECONDS: Final = 30


class _Asking(dg.AutomationCondition[dg.AssetKey]):
    """True for the days that `ready` gives, each once for each fingerprint. It must be the last operand: what it finds true
    it takes for asked."""

    def __init__(self, outlook: Outlook, table: Table) -> None:
        self._outlook, self._table = outlook, table

    @abstractmethod
    def ready(self, context: Any, due: Due) -> Fingerprints:
        """The days to ask for, with their fingerprints: empty for one that follows an input into its run."""

    @abstractmethod
    def due(self, context: Any, due: Due) -> Fingerprints:
        """All the days that are not as they should be, which may have to wait."""

    def evaluate(self, context: Any) -> dg.AutomationResult[dg.AssetKey]:
        """See `AutomationCondition`."""
        name, before = ".".join(context.key.path), from_text(context.cursor)
        self._outlook.remember(name, before)
        instance, graph = context.asset_graph_view.instance, self._outlook.graph
        now = self._outlook.look(lambda: in_flight(instance, graph), context.evaluation_time)
        ready = self.ready(context, now)
        wanted = _subset(context, {day for day, print in ready.items() if not same(before.get(day), print)})
        asked = remembered(before, self.due(context, now), _days(wanted))
        self._outlook.remember(name, asked)
        return dg.AutomationResult(context, wanted, cursor=to_text(asked))


class InputsChanged(_Asking):
    """Of a gold table: its inputs are other than those it was built from, and stay what they are for the time being."""

    name = "inputs_changed"
    description = "Inputs changed since it was built, exist, and are not about to change again; not asked for yet"

    def ready(self, context: Any, due: Due) -> Fingerprints:
        asked = {".".join(key.path): _days(subset) for key, subset in context.request_subsets_by_key.items()}
        return due.ready(self._table, asked)

    def due(self, context: Any, due: Due) -> Fingerprints:
        return due.changed.get(self._table.full_name, {})


class NotLoaded(_Asking):
    """Of a warehouse table: the lake publishes another version than the one that was loaded last."""

    name = "not_loaded"
    description = "The lake publishes another version than the one loaded, and is not about to change it; not asked for yet"

    def ready(self, context: Any, due: Due) -> Fingerprints:
        running = due.running.get(".".join(context.key.path), ())
        wait = {*running, *due.unsettled[self._table.full_name]}
        return {day: version for day, version in self.due(context, due).items() if day not in wait}

    def due(self, context: Any, due: Due) -> Fingerprints:
        published = due.published.get(self._table.full_name, {})
        if not published:
            return {}
        loaded = _loaded(context.asset_graph_view.instance, self._table)
        return {day: version for day, version in published.items() if loaded.get(day) != version}


def conditioned(assets: dg.AssetsDefinition, outlook: Outlook) -> dg.AssetsDefinition:
    """The same assets, gold and warehouse with their conditions."""
    idle = ~dg.AutomationCondition.in_progress()
    conditions: dict[dg.AssetKey, dg.AutomationCondition] = {}
    for table in outlook.graph.gold():
        conditions[table_key(table)] = (idle & InputsChanged(outlook, table)).with_label("inputs changed")
        requested = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested())
        conditions[warehouse_key(table)] = (idle & (requested | NotLoaded(outlook, table))).with_label("published, not loaded")
    return assets.map_asset_specs(
        lambda spec: spec.replace_attributes(automation_condition=conditions[spec.key]) if spec.key in conditions else spec
    )


def automation(outlook: Outlook) -> dg.SensorDefinition:
    """The sensor that evaluates the conditions, which runs unless somebody stops it."""
    gold = [t for t in outlook.graph.tables.values() if t.layer is Layer.GOLD]
    keys = [k for t in gold for k in (table_key(t), warehouse_key(t))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=dg.BetaWarning)  # of conditions of one's own, in this pinned version
        return _InRanges(
            NAME,
            target=dg.AssetSelection.assets(*keys),
            description=(
                "Requests the days of gold and of the warehouse whose inputs changed: dimensions first, and then, in one run for"
                " each range of days within a month, facts, what is made of them, and their load."
            ),
            minimum_interval_seconds=SECONDS,
            default_status=dg.DefaultSensorStatus.RUNNING,
            # A backfill would build what is selected in several runs, and end with the first one that has a bad day.
            emit_backfills=False,
            use_user_code_server=True,
        )


class _InRanges(dg.AutomationConditionSensorDefinition):
    """Asks for ranges of days, where Dagster without backfills asks for a run per day."""

    def resolve_run_requests(self, run_requests: Sequence[dg.RunRequest], *more: Any, **named: Any) -> Sequence[dg.RunRequest]:
        """See `SensorDefinition`."""
        return super().resolve_run_requests(in_ranges(run_requests), *more, **named)


def in_ranges(requests: Iterable[dg.RunRequest]) -> list[dg.RunRequest]:
    """The requests for single days as requests for ranges of days; others come first, as they are."""
    wanted: dict[dg.AssetKey, set[date]] = defaultdict(set)
    whole: list[dg.RunRequest] = []
    tags: Mapping[str, str] = {}
    for request in requests:
        if request.partition_key is None:
            whole.append(request)
            continue
        tags = {name: value for name, value in request.tags.items() if name != PARTITION}
        for key in request.asset_selection or ():
            wanted[key].add(date.fromisoformat(request.partition_key))
    by_range = (dg.RunRequest(asset_selection=sorted(keys), tags={**tags, **days.tags}) for keys, days in ranges(wanted))
    return [*whole, *by_range]


def _loaded(instance: dg.DagsterInstance, table: Table) -> dict[Day, str]:
    """The fingerprint of the publication that the warehouse holds of each day, as the loads said it (`events.py`)."""
    key, materialized = warehouse_key(table), dg.DagsterEventType.ASSET_MATERIALIZATION
    if table.day:
        found = instance.event_log_storage.get_latest_tags_by_partition(key, materialized, [DATA_VERSION_TAG])
        return {date.fromisoformat(day): tags[DATA_VERSION_TAG] for day, tags in found.items()}
    event = instance.get_latest_materialization_event(key)
    said = event.asset_materialization.tags if event and event.asset_materialization else None
    return {None: (said or {}).get(DATA_VERSION_TAG, "")}


def _days(subset: Any) -> Collection[Day]:
    """The days of a subset of an asset."""
    if subset.is_partitioned:
        return {date.fromisoformat(day) for day in subset.expensively_compute_partition_keys()}
    return set() if subset.is_empty else {None}


def _subset(context: Any, days: Collection[Day]) -> Any:
    """Those of the candidates that are of these days."""
    candidates = context.candidate_subset
    if context.partitions_def is None:
        return candidates if None in days else context.get_empty_subset()
    keys = {day.isoformat() for day in days if day}
    wanted = context.asset_graph_view.get_subset_from_partition_keys(context.key, context.partitions_def, keys)
    return candidates.compute_intersection(wanted)
