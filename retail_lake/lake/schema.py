"""A contract as an Iceberg schema: created once, evolved by adding columns, refused when it cannot be both.

Belongs here: types, comments, partitioning and evolution. Does not: data.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retail_lake.contract import Column, Table
from retail_lake.failure import ConfigurationFailure, Misfit

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.types import IcebergType

_SCALARS = {
    "bigint": "LongType",
    "int": "IntegerType",
    "string": "StringType",
    "boolean": "BooleanType",
    "double": "DoubleType",
    "date": "DateType",
    "timestamp": "TimestampType",
}


class _Ids:
    """Field ids in the order they are asked for."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        self.last += 1
        return self.last


def split_fields(inner: str) -> list[str]:
    """Split `a:bigint,b:array<struct<c:string,d:string>>` at its top-level commas."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(inner):
        depth += (char in "<(") - (char in ">)")
        if char == "," and depth == 0:
            parts.append(inner[start:i])
            start = i + 1
    return [*parts, inner[start:]]


def _iceberg_type(type_: str, ids: _Ids) -> IcebergType:
    from pyiceberg import types

    type_ = type_.strip()
    if type_ in _SCALARS:
        scalar: IcebergType = getattr(types, _SCALARS[type_])()
        return scalar
    if match := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", type_):
        return types.DecimalType(int(match[1]), int(match[2]))
    if match := re.fullmatch(r"array<(.+)>", type_):
        element = ids.next()
        return types.ListType(element, _iceberg_type(match[1], ids), element_required=False)
    if match := re.fullmatch(r"struct<(.+)>", type_):
        fields = [part.split(":", 1) for part in split_fields(match[1])]
        return types.StructType(
            *(types.NestedField(ids.next(), name.strip(), _iceberg_type(inner, ids), required=False) for name, inner in fields)
        )
    raise ConfigurationFailure(f"the contract type {type_!r} has no Iceberg type; see `Column` for the types there are")


def iceberg_schema(columns: tuple[Column, ...]) -> Schema:
    """The Iceberg schema of these columns: same order, comments kept, every column optional."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    ids = _Ids()
    top = [ids.next() for _ in columns]
    return Schema(
        *(
            NestedField(i, column.name, _iceberg_type(column.type, ids), required=False, doc=column.comment)
            for i, column in zip(top, columns, strict=True)
        )
    )


def partition_spec(schema: Schema, column: str | None) -> PartitionSpec:
    """Partitioned by that column's value, or not at all."""
    from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
    from pyiceberg.transforms import IdentityTransform

    if column is None:
        return UNPARTITIONED_PARTITION_SPEC
    return PartitionSpec(PartitionField(schema.find_field(column).field_id, 1000, IdentityTransform(), column))


def evolve(stored: IcebergTable, table: Table) -> None:
    """Bring a stored table up to its contract: new columns and comments are added, history stays as it is.

    Raises `Misfit` when the contract drops, retypes or repartitions a column that history holds.
    """
    check_compatible(stored, table)
    want = iceberg_schema(table.columns)
    have = stored.schema()
    missing = [f for f in want.fields if f.name not in have.column_names]
    commented = [f for f in want.fields if f.name in have.column_names and have.find_field(f.name).doc != f.doc]
    described = stored.properties.get("comment") == table.description
    if not missing and not commented and described:
        return
    with stored.transaction() as transaction:
        if missing or commented:
            with transaction.update_schema() as update:
                for field in missing:
                    update.add_column(field.name, field.field_type, doc=field.doc)
                for field in commented:
                    update.update_column(field.name, doc=field.doc)
        if not described:
            transaction.set_properties(comment=table.description)


def check_compatible(stored: IcebergTable, table: Table) -> None:
    """Refuse a contract that the stored table cannot take without rewriting history.

    Raises `Misfit` naming each column and what to do.
    """
    have, want = stored.schema(), iceberg_schema(table.columns)
    wrong = []
    for field in have.fields:
        if field.name not in want.column_names:
            wrong.append(f"column {field.name} is in the lake but no longer in the contract")
        elif _plain(asked := want.find_field(field.name).field_type) != _plain(field.field_type):
            wrong.append(f"column {field.name} is {field.field_type} in the lake, {asked} in the contract")
    partitions = [f.name for f in stored.spec().fields]
    if partitions != ([table.day] if table.day else []):
        wrong.append(f"the lake partitions it by {partitions or 'nothing'}, the contract by {table.day or 'nothing'}")
    if wrong:
        raise Misfit(
            f"{table.full_name}: the contract does not fit the table in the lake:\n  "
            + "\n  ".join(wrong)
            + "\nKeep the column and add a new one under another name, or give the table a new name and rebuild it."
        )


def _plain(type_: IcebergType) -> str:
    """The type without field ids, so that two schemas can be compared."""
    return re.sub(r"\b\d+: ", "", str(type_))
