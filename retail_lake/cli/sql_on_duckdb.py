"""Questions answered by DuckDB here: the warehouse file by plain name, the lake's current snapshots by layer.

Belongs here: what `retail-lake sql --on duckdb` reads. Nothing is written by it, neither to the warehouse nor to the lake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from retail_lake.cli.sql import Found
from retail_lake.failure import ConfigurationFailure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from retail_lake.config import Settings
    from retail_lake.lake.lake import Lake

SCHEMAS: Final = ("bronze", "silver", "gold", "quarantine", "ops")
LOCK_WAIT_SECONDS: Final = 15.0
_ROWS_AT_ONCE: Final = 10_000
_NUMBER: Final = re.compile(r"NUMBER|DECIMAL|U?(BIG|HUGE|SMALL|TINY)?INT|INTEGER|DOUBLE|FLOAT", re.IGNORECASE)


@contextmanager
def answer(settings: Settings, query: str) -> Iterator[Found]:
    """The answer, read as it is asked for. Raises `ConfigurationFailure` with DuckDB's words and the names there are."""
    import duckdb

    from retail_lake.duckdb_connection import connect
    from retail_lake.lake.lake import Lake
    from retail_lake.warehouse.connection import attach

    lake = Lake(settings)
    with connect(settings) as connection:
        path = []
        if settings.warehouse_path.exists():
            attach(connection, settings.warehouse_path, read_only=True, wait=LOCK_WAIT_SECONDS)
            path.append("warehouse.main")
        for schema in SCHEMAS:
            connection.execute(f"CREATE SCHEMA memory.{schema}")
        _add_views(connection, lake, query)
        connection.execute(f"SET search_path = '{','.join([*path, 'memory.main', *(f'memory.{s}' for s in SCHEMAS)])}'")
        try:
            yield _run(connection, query)
        except duckdb.CatalogException as error:
            raise ConfigurationFailure(_no_such_table(str(error), connection, lake)) from None
        except duckdb.Error as error:
            raise ConfigurationFailure(str(error)) from None


def _run(connection: DuckDBPyConnection, query: str) -> Found:
    import duckdb

    reading = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type not in reading:
        raise ConfigurationFailure(
            "`retail-lake sql` answers one SELECT (or DESCRIBE, SUMMARIZE, SHOW, EXPLAIN) and changes nothing. "
            "To write a file: --csv > file.csv"
        )
    result = connection.execute(statements[0])
    described = result.description or []
    numbers = [name for name, type_, *_ in described if _NUMBER.match(str(type_))]
    return Found([name for name, *_ in described], numbers, _rows(result))


def _rows(result: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := result.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def names_used(query: str) -> list[str]:
    """Everything in the query that looks like a lake table. A name too many costs an unused view, nothing else."""
    found = re.findall(rf'(?<![\w."])"?({"|".join(SCHEMAS)})"?\s*\.\s*"?(\w+)"?', query, flags=re.IGNORECASE)
    return sorted({f"{schema}.{name}".lower() for schema, name in found})


def _add_views(connection: DuckDBPyConnection, lake: Lake, query: str) -> None:
    """A view over the current snapshot's files of each lake table that the query names."""
    from retail_lake.cost.relation import usage_relation
    from retail_lake.duckdb_connection import path_of
    from retail_lake.sql.quote import literal, quoted

    for name in names_used(query):
        schema, table = name.split(".")
        view = f"memory.{schema}.{quoted(table)}"
        if name == "ops.loads" and lake.settings.warehouse_path.exists():
            connection.execute(f"CREATE VIEW {view} AS FROM warehouse.ops.loads")
            continue
        if name == "ops.usage":
            connection.execute(f"CREATE VIEW {view} AS {usage_relation(lake.settings)}")
            continue
        stored = lake.stored(name)
        if stored is None:
            continue
        # Gives the columns where a table has no files, and those that older files lack.
        empty = stored.schema().as_arrow().empty_table()
        shape = f"memory.main.{quoted(f'{name} (columns)')}"
        connection.register("empty", empty)
        connection.execute(f"CREATE TABLE {shape} AS FROM empty")
        connection.unregister("empty")
        files = [literal(path_of(f.uri)) for f in lake.current_files(name).files]
        rows = (
            f" UNION ALL BY NAME FROM read_parquet([{', '.join(files)}], union_by_name => true, hive_partitioning => false)"
            if files
            else ""
        )
        connection.execute(f"CREATE VIEW {view} AS FROM {shape}{rows}")


def _no_such_table(error: str, connection: DuckDBPyConnection, lake: Lake) -> str:
    """DuckDB's error without its own guess, and what names there are."""
    from retail_lake.cli.common import nearest

    asked = re.search(r"(?:Table|View) with name (\S+?) does not exist", error)
    if not asked:
        return error
    served = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'warehouse' AND schema_name = 'main'"
    warehouse = [name for (name,) in connection.execute(served).fetchall()]
    there = [namespace for namespace in lake.catalog.list_namespaces() if namespace[0] in SCHEMAS]
    stored = [".".join(name) for namespace in there for name in lake.catalog.list_tables(namespace)]
    if not warehouse and not stored:
        return f"There is no table {asked[1]}, and none at all in {lake.settings.home} yet: run `retail-lake demo` first."
    where = f"There is no table {asked[1]}."
    named = [n for n in stored if n.rsplit(".", 1)[-1] == asked[1]]
    if named and asked[1] not in warehouse:
        return f"{where} In the lake there is {' and '.join(named)}."
    return f"{where} {nearest(asked[1], [*warehouse, *stored])}"
