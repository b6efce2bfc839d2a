"""JSON values as the contract types them: scalars as their source text, structure kept, nothing dropped.

Belongs here: what JSON lines and JSON pages have in common.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NoReturn

import pyarrow as pa

from retail_lake.arrow_types import arrow_schema
from retail_lake.contract import Column

Converter = Callable[[Any], Any]


class Number(str):
    """A JSON number, as written."""


def parse(text: str) -> Any:
    """One JSON value, numbers as `Number`. Raises ValueError, also for NaN and for an object that names a field twice."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def source_text(value: Any) -> str:
    """A parsed value as JSON text again, its numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {source_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(source_text, value)) + "]"
    return json.dumps(value)


@lru_cache(maxsize=64)
def row_converter(columns: Sequence[Column]) -> Converter:
    """A function from a parsed object to a row (dict) of the columns; it raises ValueError naming the field it cannot keep."""
    return _converter(pa.struct(arrow_schema(columns)), "")


def rows_table(rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> pa.Table:
    """Converted rows as an Arrow table of the columns."""
    schema = arrow_schema(columns)
    return pa.Table.from_pylist(rows, schema=schema)


def _converter(type_: pa.DataType, path: str) -> Converter:
    if pa.types.is_struct(type_):
        return _struct(type_, path)
    if pa.types.is_list(type_):
        convert = _converter(type_.value_type, f"{path}[]")

        def array(value: Any) -> Any:
            if value is None:
                return None
            if not isinstance(value, list):
                raise ValueError(f"field {path} is {_kind(value)}, not an array")
            return [convert(item) for item in value]

        return array

    def scalar(value: Any) -> Any:
        if isinstance(value, str):
            if not value.isascii():
                value.encode()  # half of a surrogate pair is JSON but no text; this raises ValueError
            return value
        if value is None:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        raise ValueError(f"field {path} is {_kind(value)}, not a single value")

    return scalar


def _struct(type_: pa.StructType, path: str) -> Converter:
    dot = f"{path}." if path else ""
    converters = {field.name: _converter(field.type, f"{dot}{field.name}") for field in type_}

    def struct(value: Any) -> Any:
        if value is None and path:
            return None
        if not isinstance(value, dict):
            raise ValueError(f"{f'field {path}' if path else 'the record'} is {_kind(value)}, not an object")
        if unknown := value.keys() - converters.keys():
            names = ", ".join(json.dumps(f"{dot}{name}") for name in sorted(unknown))
            raise ValueError(f"the contract does not have the fields {names}")
        return {name: convert(value.get(name)) for name, convert in converters.items()}

    return struct


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return "an object" if isinstance(value, dict) else "an array" if isinstance(value, list) else "a single value"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {json.dumps(next(n for n in names if names.count(n) > 1))} is named twice in one object")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_no_constant)
