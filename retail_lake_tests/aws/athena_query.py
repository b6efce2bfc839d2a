"""One query in Athena's dialect, run on DuckDB over the Iceberg tables that Glue's catalog names, and its answer as text.

Belongs here: translating, finding the tables, Athena's texts for types and values. Does not: a query's life (`athena.py`).
SQLGlot translates; what it does not know is as right here as DuckDB is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb
import pyarrow as pa
import sqlglot
from duckdb_extensions import import_extension
from moto.core.exceptions import JsonRESTError
from moto.glue.models import glue_backends
from pyiceberg.table import StaticTable
from sqlglot import exp
from sqlglot.errors import SqlglotError

from retail_lake_tests.aws.service import ACCOUNT
from retail_lake_tests.s3 import KEY, SECRET

if TYPE_CHECKING:
    from retail_lake_tests.s3 import S3Server

_TYPES: Final = {
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    # DuckDB adds bigints up to a wider one.
    "HUGEINT": "bigint",
    "FLOAT": "float",
    "DOUBLE": "double",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "VARCHAR": "varchar",
}


class Refused(Exception):
    """Why a query fails, with the category that Athena gives it: 1 its own fault, 2 the user's."""

    def __init__(self, reason: str, category: int = 2, retryable: bool = False) -> None:
        super().__init__(reason)
        self.category, self.retryable = category, retryable


class Result(NamedTuple):
    """Column names, their types as DuckDB words them, and the rows as Athena's texts."""

    names: list[str]
    types: list[str]
    rows: list[list[str | None]]


class Query:
    """A statement with its tables found; `scans` is the bytes of all their files. Raises `Refused`."""

    def __init__(self, text: str, database: str, region: str, s3: S3Server) -> None:
        self._s3, self._region = s3, region
        self._tree = _parsed(text)
        self.scans = sum(self._stand_in(table, database) for table in _tables(self._tree))

    def run(self) -> Result:
        """The answer. Raises `Refused` with DuckDB's words."""
        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
            self._reach_s3(connection)
            try:
                relation = connection.execute(self._tree.sql("duckdb"))
                names, types = [d[0] for d in relation.description or []], [str(d[1]) for d in relation.description or []]
                return Result(names, types, [[text_of(v) for v in row] for row in relation.fetchall()])
            except duckdb.Error as error:
                raise Refused(f"SYNTAX_ERROR: {str(error).splitlines()[0]}") from None

    def _stand_in(self, table: exp.Table, database: str) -> int:
        """Replace a table by DuckDB's own scan of its Iceberg metadata; returns the bytes of its files."""
        schema, name = (table.db or database).lower(), table.name.lower()
        if table.catalog and table.catalog.lower() != "awsdatacatalog":
            raise Refused(f"CATALOG_NOT_FOUND: line 1:1: Catalog '{table.catalog}' not found")
        try:
            parameters = glue_backends[ACCOUNT][self._region].get_table(schema, name).as_dict().get("Parameters", {})
        except JsonRESTError:
            raise Refused(f"TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.{schema}.{name}' does not exist") from None
        location = parameters.get("metadata_location")
        if parameters.get("table_type", "").upper() != "ICEBERG" or not location:
            raise Refused(f"HIVE_UNSUPPORTED_FORMAT: {schema}.{name} is no Iceberg table")
        access = {"s3.endpoint": self._s3.endpoint, "s3.access-key-id": KEY, "s3.secret-access-key": SECRET}
        stored = StaticTable.from_metadata(location, {**access, "s3.region": self._region})
        if stored.metadata.format_version != 2:
            raise Refused(f"ICEBERG_BAD_DATA: {schema}.{name} has format version {stored.metadata.format_version}")
        alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
        if stored.current_snapshot() is None:
            empty = ", ".join(f'CAST(NULL AS {t}) AS "{n}"' for n, t in _duckdb_types(stored.schema().as_arrow()).items())
            rows = sqlglot.parse_one(f"SELECT {empty} WHERE FALSE", read="duckdb")
            table.replace(exp.Subquery(this=rows, alias=alias))
        else:
            scan = exp.Anonymous(this="iceberg_scan", expressions=[exp.Literal.string(location)])
            table.replace(exp.Table(this=scan, alias=alias))
        return sum(task.file.file_size_in_bytes for task in stored.scan().plan_files())

    def _reach_s3(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        for extension in ("httpfs", "avro", "iceberg"):
            import_extension(extension, con=connection)
            connection.execute(f"LOAD {extension}")
        host = self._s3.endpoint.partition("://")[2]
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', ENDPOINT '{host}', URL_STYLE 'path', USE_SSL 'false')"
        )


def column(name: str, type_: str) -> dict[str, Any]:
    """A column as Athena describes it."""
    told = {"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Nullable": "UNKNOWN"}
    if type_.startswith("DECIMAL"):
        precision, scale = type_.removeprefix("DECIMAL(").rstrip(")").split(",")
        return {**told, "Type": "decimal", "Precision": int(precision), "Scale": int(scale), "CaseSensitive": False}
    nested = "array" if type_.endswith("]") else "row" if type_.startswith("STRUCT") else "map" if type_.startswith("MAP") else ""
    found = nested or _TYPES.get(type_, "varchar")
    return {**told, "Type": found, "Precision": 0, "Scale": 0, "CaseSensitive": found == "varchar"}


def text_of(value: Any) -> str | None:
    """A value as Athena writes it; None for NULL."""
    writers: list[tuple[type, Callable[[Any], str]]] = [
        (bool, lambda v: str(v).lower()),
        (float, _double),
        (datetime, _moment),
        (date, lambda v: v.isoformat()),
        (list, lambda v: f"[{', '.join(_inner(e) for e in v)}]"),
        (dict, lambda v: f"{{{', '.join(f'{k}={_inner(e)}' for k, e in v.items())}}}"),
    ]
    if value is None:
        return None
    return next((write(value) for type_, write in writers if isinstance(value, type_)), str(value))


def _parsed(text: str) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(text, read="athena")
    except SqlglotError as error:
        raise Refused(f"line 1:1: mismatched input: {str(error).splitlines()[0]}") from None
    if not isinstance(tree, exp.Query):
        raise Refused("NOT_SUPPORTED: this Athena only reads")
    return tree


def _tables(tree: exp.Expr) -> list[exp.Table]:
    known = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    found = [t for t in tree.find_all(exp.Table) if isinstance(t.this, exp.Identifier)]
    return [t for t in found if t.db or t.name.lower() not in known]


def _duckdb_types(schema: pa.Schema) -> dict[str, str]:
    found = duckdb.from_arrow(schema.empty_table())
    return dict(zip(found.columns, map(str, found.types), strict=True))


def _inner(value: Any) -> str:
    return "null" if value is None else str(text_of(value))


def _moment(value: datetime) -> str:
    text = value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    return f"{text} UTC" if value.tzinfo else text


def _double(value: float) -> str:
    """Java's words."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value).replace("e+", "E").replace("e", "E")
