"""COPY of Parquet files from S3 as Redshift does it: by manifest, columns by position and count, nothing forgiven.

Belongs here: reading the command, the manifest and the files, and what is refused about them. Does not: transactions.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from botocore.exceptions import ClientError
from psycopg import sql

from retail_lake_tests.aws.redshift_sql import Refused, bare

_NAME = r'(?:"[^"]+"|[a-z_][a-z0-9_]*)'
_COPY = re.compile(
    rf"COPY\s+(?P<table>{_NAME}(?:\.{_NAME})?)\s*(?P<columns>\([^)]*\))?\s+FROM\s+'(?P<uri>[^']+)'(?P<options>.*?);?",
    re.IGNORECASE | re.DOTALL,
)
_OPTION = re.compile(
    r"\s*(?:(?P<role>IAM_ROLE\s+(?:default|'arn:aws:iam::\d{12}:role/[^']+'))|(?P<format>FORMAT\s+(?:AS\s+)?PARQUET)"
    r"|(?P<flag>MANIFEST|SERIALIZETOJSON|FILLRECORD|ACCEPTINVCHARS|EXPLICIT_IDS)\b|(?P<stat>STATUPDATE\s+(?:ON|OFF)))",
    re.IGNORECASE,
)
_PLACE = re.compile(r"s3://([^/]+)/(.+)")


def copy(connection: psycopg.Connection[Any], s3: Any, statement: str) -> int:
    """Carry the command out in the connection's transaction; the number of rows. Raises `Refused`."""
    command = _COPY.fullmatch(bare(statement))
    if command is None:
        raise Refused("syntax error in COPY")
    options = _options(command["options"])
    if "manifest" not in options:
        raise Refused("COPY without MANIFEST is not known to this Redshift")
    columns = _columns(connection, command["table"], command["columns"])
    rows = 0
    for body in _files(s3, command["uri"]):
        rows += _insert(connection, command["table"], columns, pq.read_table(io.BytesIO(body)), "serializetojson" in options)
    return rows


def _options(text: str) -> set[str]:
    """The options' names. Redshift takes few of them for a columnar format."""
    found: set[str] = set()
    at = 0
    while text[at:].strip():
        option = _OPTION.match(text, at)
        if option is None:
            raise Refused(f"{text[at:].split()[0].upper()} argument is not supported for PARQUET based COPY")
        found.add(next(name if name != "flag" else option[name].lower() for name in option.groupdict() if option[name]))
        at = option.end()
    if "role" not in found:
        raise Refused("CREDENTIALS argument is required but not found")
    if "format" not in found:
        raise Refused("COPY of anything but PARQUET is not known to this Redshift")
    return found


def _columns(connection: psycopg.Connection[Any], table: str, listed: str | None) -> list[tuple[str, str]]:
    """The columns that the file's columns go to, in order, with their types."""
    found = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    ).fetchall()
    if listed is None:
        return found
    types = dict(found)
    return [(name, types[name]) for name in (n.strip(' "') for n in listed.strip("()").split(","))]


def _files(s3: Any, uri: str) -> list[bytes]:
    """The files that a manifest lists, whole."""
    try:
        entries = json.loads(_object(s3, uri))["entries"]
    except ClientError as error:
        raise Refused(f"Problem reading manifest file - S3ServiceException:{error},Status 404,Error NoSuchKey") from None
    files = []
    for entry in entries:
        if unknown := set(entry) - {"url", "mandatory", "meta"}:
            raise Refused(f"Manifest file has unknown keys {sorted(unknown)}")
        length = entry.get("meta", {}).get("content_length")
        if not isinstance(length, int):
            raise Refused(f"Manifest file: content_length is required for PARQUET, entry {entry['url']}")
        try:
            body = _object(s3, entry["url"])
        except ClientError as error:
            if not entry.get("mandatory"):
                continue
            raise Refused(f"Mandatory url is not present in manifest file: {entry['url']}: {error}, Error NoSuchKey") from None
        if len(body) != length:
            raise Refused(f"Spectrum Scan Error. content_length {length} of {entry['url']} is not its size {len(body)}")
        files.append(body)
    return files


def _object(s3: Any, uri: str) -> bytes:
    place = _PLACE.fullmatch(uri)
    if place is None:
        raise Refused(f"The S3 location {uri} is invalid")
    body: bytes = s3.get_object(Bucket=place[1], Key=place[2])["Body"].read()
    return body


def _insert(
    connection: psycopg.Connection[Any], table: str, columns: list[tuple[str, str]], rows: pa.Table, serialize: bool
) -> int:
    """One file's rows into the table."""
    if len(columns) != rows.num_columns:
        raise Refused(
            f"Spectrum Scan Error. Unmatched number of columns between table and file. Table columns: {len(columns)}, "
            f"Data columns: {rows.num_columns}"
        )
    texts = [
        _text(name, type_, field, rows.column(i), serialize)
        for i, ((name, type_), field) in enumerate(zip(columns, rows.schema, strict=True))
    ]
    buffer = io.BytesIO()
    options = pa.csv.WriteOptions(include_header=False)
    pa.csv.write_csv(pa.table(texts, names=[f"c{i}" for i in range(len(texts))]), buffer, options)
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
    # An empty field is no value, an empty string is quoted.
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.SQL(table), names)
    with connection.cursor().copy(command) as stream:
        stream.write(buffer.getvalue())
    return int(rows.num_rows)


def _text(name: str, type_: str, field: pa.Field, column: pa.ChunkedArray, serialize: bool) -> pa.ChunkedArray:
    """A column as CSV writes it. Raises `Refused` if the file's type is not the table's."""
    arrow = field.type
    if not _fits(type_, arrow):
        raise Refused(
            f"Spectrum Scan Error. File has an incompatible Parquet schema for column '{field.name}'. "
            f"Column type: {type_.upper()} ({name}), Parquet schema:\noptional {arrow} {field.name}"
        )
    if pa.types.is_nested(arrow):
        if not serialize:
            raise Refused(f"Nested column {field.name} needs SERIALIZETOJSON")
        return pa.chunked_array([pa.array([None if v is None else json.dumps(v, default=str) for v in column.to_pylist()])])
    if (length := re.fullmatch(r"character varying\((\d+)\)", type_)) and len(column):
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > int(length[1]):
            raise Refused(
                f"Spectrum Scan Error. The length of the data column {name} is longer than the length defined in the table. "
                f"Table: {length[1]}, Data: {longest}"
            )
    return column.cast(pa.string()) if pa.types.is_decimal(arrow) else column


def _fits(type_: str, arrow: pa.DataType) -> bool:
    if numeric := re.fullmatch(r"numeric\((\d+),(\d+)\)", type_):
        return pa.types.is_decimal(arrow) and arrow.scale == int(numeric[2]) and arrow.precision <= int(numeric[1])
    known = {
        "bigint": pa.int64(),
        "integer": pa.int32(),
        "smallint": pa.int16(),
        "boolean": pa.bool_(),
        "double precision": pa.float64(),
        "real": pa.float32(),
        "date": pa.date32(),
        "timestamp without time zone": pa.timestamp("us"),
    }
    if type_ in known:
        return bool(arrow == known[type_])
    if type_.startswith("character"):
        return pa.types.is_string(arrow) or pa.types.is_large_string(arrow)
    return type_ in ("super", "public.super") and pa.types.is_nested(arrow)
