"""A gold contract as a Redshift table: created with its layout and comments, evolved by adding columns, refused otherwise.

Belongs here: DDL and what the catalog says. Does not: rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from retail_lake.config import Settings
from retail_lake.contract import Column, Table
from retail_lake.sql.quote import quoted
from retail_lake.warehouse.data_api import DataApi, Statement
from retail_lake.warehouse.fit import check_fit, table_comment
from retail_lake.warehouse.redshift_types import contract_type, redshift_type

LEDGER_COLUMNS = (
    Column("day", "date", "The day; empty for a table that is replaced whole."),
    Column("files", "string", "Digest of the published lake files the rows came from."),
    Column("snapshot_id", "bigint", "Lake snapshot the rows were loaded from."),
    Column("rows", "bigint", "Rows of the day."),
    Column("run_id", "string", "The run that loaded it."),
    Column("loaded_at", "timestamp", "When (UTC)."),
)
_LEDGER_COMMENT = "What the table of the same name holds: one row per day, written in the transaction of its rows."

# 1259 is pg_class itself: other things have comments too, under numbers of their own.
_CATALOG = """
SELECT n.nspname AS schema_name, c.relname AS table_name, t.description AS table_comment,
       a.attname AS column_name, format_type(a.atttypid, a.atttypmod) AS column_type, d.description AS column_comment
FROM pg_namespace AS n
LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname IN ({names}) AND c.relkind = 'r'
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_description AS d ON d.objoid = a.attrelid AND d.objsubid = a.attnum AND d.classoid = 1259
LEFT JOIN pg_description AS t ON t.objoid = c.oid AND t.objsubid = 0 AND t.classoid = 1259
WHERE n.nspname = :gold OR n.nspname = :loads
ORDER BY a.attnum
"""


@dataclass
class Stored:
    """A table as the catalog has it: types and comments by column, none if it is not there."""

    comment: str | None = None
    types: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where a table and its ledger are. A ledger of its own for every table: loads of two tables never wait for each other,
    nor does Redshift refuse one of them because both read and write the same table.
    """

    gold: str
    name: str

    @property
    def loads(self) -> str:
        """The schema of the ledgers, beside the one that is served."""
        return f"{self.gold}_loads"

    @property
    def table(self) -> str:
        """The served table in SQL."""
        return f"{quoted(self.gold)}.{quoted(self.name)}"

    @property
    def ledger(self) -> str:
        """Its ledger in SQL."""
        return f"{quoted(self.loads)}.{quoted(self.name)}"


def place_of(table: Table, settings: Settings) -> Place:
    """Where a table is served."""
    return Place(settings.redshift_schema, table.name)


def stored(api: DataApi, place: Place) -> dict[str, Stored]:
    """The served table and its ledger, by the schemas that there are."""
    return all_stored(api, [place])[place.name]


def all_stored(api: DataApi, places: Sequence[Place]) -> dict[str, dict[str, Stored]]:
    """The same of several tables of one schema, by name and asked for at once."""
    names = {f"table_{number}": place.name for number, place in enumerate(places)}
    asked = {**names, "gold": places[0].gold, "loads": places[0].loads}
    found: dict[str, dict[str, Stored]] = {place.name: {} for place in places}
    sql = _CATALOG.format(names=", ".join(f":{name}" for name in names))
    for schema, table, comment, column, type_, column_comment in api.query(sql, asked).rows:
        for there in found.values():
            there.setdefault(schema, Stored())
        if table and column:
            at = found[table][schema]
            at.comment, at.types[column], at.comments[column] = comment, type_, column_comment
    return found


def check_stored(table: Table, found: Stored | None) -> None:
    """Raise `Misfit` if the table there is not the contract's and adding columns would not make it so."""
    types = {name: contract_type(type_) for name, type_ in found.types.items()} if found else {}
    check_fit(table, types, {c.name: contract_type(redshift_type(c.type)) for c in table.columns})


def missing(table: Table, place: Place, found: Mapping[str, Stored]) -> list[Statement]:
    """What makes the table and its ledger what the contract says: each may be repeated, none needs the others' transaction.

    Raises `Misfit` for a contract that does not fit.
    """
    served, ledger = found.get(place.gold, Stored()), found.get(place.loads, Stored())
    check_stored(table, served)
    # Asked for only where missing: creating a schema needs a right that a loader need not keep.
    ddl = [f"CREATE SCHEMA IF NOT EXISTS {quoted(s)}" for s in (place.gold, place.loads) if s not in found]
    if not served.types:
        ddl.append(f"CREATE TABLE IF NOT EXISTS {place.table} ({_columns(table.columns)}){_layout(table)}")
    if not ledger.types:
        ddl.append(
            f"CREATE TABLE IF NOT EXISTS {place.ledger} ({_columns(LEDGER_COLUMNS)}) DISTSTYLE AUTO SORTKEY ({quoted('day')})"
        )
    ddl += [
        f"ALTER TABLE {place.table} ADD COLUMN {quoted(c.name)} {redshift_type(c.type)}"
        for c in table.columns
        if served.types and c.name not in served.types
    ]
    ddl += _comments(place.table, table.columns, table_comment(table), served)
    ddl += _comments(place.ledger, LEDGER_COLUMNS, _LEDGER_COMMENT, ledger)
    return [Statement(text) for text in ddl]


def text_literal(text: str) -> str:
    """A string in Redshift's SQL, where a backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _columns(columns: tuple[Column, ...]) -> str:
    return ", ".join(f"{quoted(c.name)} {redshift_type(c.type)}" for c in columns)


def _layout(table: Table) -> str:
    """How the rows lie. AUTO keeps small tables on every node and moves to better as they grow."""
    sort = table.sort_by or ((table.day,) if table.day else table.key)
    style = f" DISTSTYLE KEY DISTKEY ({quoted(table.distribute_by)})" if table.distribute_by else " DISTSTYLE AUTO"
    return style + (f" SORTKEY ({', '.join(quoted(c) for c in sort)})" if sort else " SORTKEY AUTO")


def _comments(address: str, columns: tuple[Column, ...], comment: str, found: Stored) -> list[str]:
    written = [f"COMMENT ON TABLE {address} IS {text_literal(comment)}"] if found.comment != comment else []
    return written + [
        f"COMMENT ON COLUMN {address}.{quoted(c.name)} IS {text_literal(c.comment)}"
        for c in columns
        if found.comments.get(c.name) != c.comment
    ]
