"""The asset graph as data: keys, partitions, and which day of a table needs which days of another.

Belongs here: names and the mapping between days. Does not: descriptions and metadata (`assets.py`), checks (`checks.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg

from retail_lake.config import Settings
from retail_lake.contract import Landing, Layer, Table
from retail_lake.failure import ConfigurationFailure

WAREHOUSE = "warehouse"
LANDING = "landing"
OPS = "ops"
"""What the lake knows of itself: no data of anybody's, and in no run of all tables."""


def table_key(table: Table) -> dg.AssetKey:
    """`[layer, table]`."""
    return dg.AssetKey([str(table.layer), table.name])


def warehouse_key(table: Table) -> dg.AssetKey:
    """`["warehouse", table]`."""
    return dg.AssetKey([WAREHOUSE, table.name])


def landing_key(landing: Landing) -> dg.AssetKey:
    """`["landing", system, dataset]`."""
    return dg.AssetKey([LANDING, landing.system, landing.dataset])


@dataclass(frozen=True)
class Graph:
    """The tables in dependency order, what each reads, and the days they have."""

    settings: Settings
    tables: Mapping[str, Table]
    inputs: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(
        cls,
        settings: Settings,
        tables: Mapping[str, Table] | None = None,
        inputs: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Graph:
        """The project's own tables, or the ones given."""
        if tables is None:
            from retail_lake.tables import TABLES

            tables = TABLES
        if inputs is None:
            from retail_lake.tables import inputs as read_by

            inputs = {name: tuple(i for i in read_by(table) if i in tables) for name, table in tables.items()}
        return cls(settings, tables, inputs)

    def bind(self) -> None:
        """Hold each table's SQL against its contract. Raises one `ConfigurationFailure` that names all that is wrong."""
        from retail_lake.sql.binder import bind

        wrong = []
        for table in self.tables.values():
            try:
                bind(table, self.tables)
            except ConfigurationFailure as failure:
                wrong.append(str(failure))
        if wrong:
            raise ConfigurationFailure("\n".join(wrong))

    @property
    def days(self) -> dg.DailyPartitionsDefinition:
        """One partition per day of the lake, the last one included."""
        after = self.settings.last_day + timedelta(days=1)
        return dg.DailyPartitionsDefinition(start_date=self.settings.first_day.isoformat(), end_date=after.isoformat())

    def partitions(self, table: Table) -> dg.DailyPartitionsDefinition | None:
        """The days of a table that has days."""
        return self.days if table.day else None

    def gold(self) -> Iterator[Table]:
        """The tables that the warehouse serves, dimensions first, because facts need them."""
        gold = [t for t in self.tables.values() if t.layer is Layer.GOLD]
        yield from (t for t in gold if not t.day)
        yield from (t for t in gold if t.day)

    def landings(self) -> dict[dg.AssetKey, Landing]:
        """The landed datasets by asset key."""
        return {landing_key(t.landing): t.landing for t in self.tables.values() if t.landing}

    def deps(self, table: Table) -> list[dg.AssetDep]:
        """What a table reads, and which days of it."""
        if table.landing:
            return [dg.AssetDep(landing_key(table.landing))]
        return [dg.AssetDep(table_key(s), partition_mapping=self._mapping(table, s)) for s in self.sources(table)]

    def sources(self, table: Table) -> list[Table]:
        """The tables that a table reads."""
        return [self.tables[name] for name in self.inputs[table.full_name]]

    def _mapping(self, table: Table, source: Table) -> dg.PartitionMapping | None:
        """Which days of the source a day reads, where it is not what Dagster takes for granted: the same day, or all."""
        if not (table.day and source.day):
            return None
        if source.full_name in table.whole:
            return dg.AllPartitionMapping()
        if table.window == 1:
            return None
        # One step may have one mapping besides the obvious one per source, in this version of Dagster: the widest window
        # stands for all. It only shows in the graph and lets a backfill wait for more days; what is read is the job's.
        widest = max(t.window for t in self.tables.values() if source.full_name in self.inputs[t.full_name])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=dg.BetaWarning)  # of the argument, in this pinned version
            return dg.TimeWindowPartitionMapping(start_offset=1 - widest, allow_nonexistent_upstream_partitions=True)

    def ordered(self, keys: Iterable[dg.AssetKey]) -> list[tuple[Table, bool]]:
        """Selected assets in the order to build them, as (table, whether it is the warehouse's copy that is meant)."""
        wanted = set(keys)
        lake = [(t, False) for t in self.tables.values() if table_key(t) in wanted]
        return lake + [(t, True) for t in self.gold() if warehouse_key(t) in wanted]
