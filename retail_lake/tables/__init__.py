"""What each table is: one file per table, found by looking, checked by reading.

Belongs here: finding the tables, their order, and refusing a table that cannot be. Does not: any table (`bronze/`, `silver/`,
`gold/`), or how one is computed, stored or orchestrated. Adding a table is adding a file.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import Final

from retail_lake.contract import Layer, Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.quality.supported import check_table as check_rules
from retail_lake.sql.parse import RUN_DAYS
from retail_lake.sql.parse import inputs as sql_inputs
from retail_lake.sql.portable import check as check_sql

# Which layers a table may read, by its own: the flow is one-way.
_READS: Final[Mapping[Layer, frozenset[Layer]]] = {
    Layer.BRONZE: frozenset(),
    Layer.SILVER: frozenset({Layer.BRONZE, Layer.SILVER}),
    Layer.GOLD: frozenset({Layer.SILVER, Layer.GOLD}),
}


def inputs(table: Table) -> tuple[str, ...]:
    """Full names of what a table reads, sorted, `run.days` among them where it asks for the days; none for bronze."""
    return sql_inputs(table)


def discover() -> list[Table]:
    """The table of every module below this package, by layer and name.

    Raises `ConfigurationFailure` for a module that does not define exactly one table, named like itself.
    """
    found: list[Table] = []
    for layer in Layer:
        folder = Path(__file__).parent / layer
        for name in sorted(module.name for module in pkgutil.iter_modules([str(folder)])):
            module = import_module(f"{__name__}.{layer}.{name}")
            defined = [value for value in vars(module).values() if isinstance(value, Table)]
            if [(t.name, t.layer) for t in defined] != [(name, layer)]:
                what = ", ".join(t.full_name for t in defined) or "none"
                raise ConfigurationFailure(f"tables/{layer}/{name}.py must define one Table, {layer}.{name}; it defines {what}")
            found += defined
    return found


def ordered(tables: Iterable[Table]) -> dict[str, Table]:
    """The tables by full name, each after what it reads. Raises `ConfigurationFailure` for an input that cannot be read."""
    by_name = {table.full_name: table for table in tables}
    reads = {name: [i for i in inputs(table) if i != RUN_DAYS] for name, table in by_name.items()}
    for name, table in by_name.items():
        if unknown := [i for i in reads[name] if i not in by_name]:
            raise ConfigurationFailure(f"{name} reads {', '.join(unknown)}: there is no such table")
        if upstream := [i for i in reads[name] if by_name[i].layer not in _READS[table.layer]]:
            raise ConfigurationFailure(f"{name} reads {', '.join(upstream)}: {table.layer} does not read that layer")
        if unread := [i for i in (*table.whole, *filter(None, [table.conserves])) if i not in reads[name]]:
            raise ConfigurationFailure(f"{name} names {', '.join(unread)}, which its SQL does not read")
    try:
        return {name: by_name[name] for name in TopologicalSorter(reads).static_order()}
    except CycleError as error:
        raise ConfigurationFailure(f"tables read each other in a circle: {' <- '.join(error.args[1])}") from None


def _load() -> dict[str, Table]:
    tables = ordered(discover())
    for table in tables.values():
        check_rules(table)
        check_sql(table, tables)
    return tables


TABLES: Final[Mapping[str, Table]] = _load()
