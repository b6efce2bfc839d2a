"""The macros against what Python says, on both engines, for text that people and machines really send."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retail_lake.failure import ConfigurationFailure
from retail_lake.sql.render import render
from retail_lake_tests.sql.two_engines import ZONE, on_duckdb, on_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# A list of texts is one example and one query per engine, so few examples are many texts.
BATCHES = settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
_NUMBERISH = st.text(alphabet="0123456789+-. eE\n\t\u00a0٣,_", max_size=24)
_DECIMALS = st.from_regex(r"[ ]?[+-]?[0-9]{1,22}(\.[0-9]{0,4})?[ ]?", fullmatch=True)
_STAMPS = st.from_regex(
    r"[0-9]{4}-[0-3][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,7})?Z?)?\n?", fullmatch=True
)
_MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
TEXTS = st.lists(
    st.one_of(
        _NUMBERISH,
        _DECIMALS,
        _STAMPS,
        _MOMENTS.map(lambda m: m.isoformat(sep=" ")),
        _MOMENTS.map(lambda m: m.isoformat() + "Z"),
        _MOMENTS.map(lambda m: m.date().isoformat()),
        st.text(max_size=8),
    ),
    min_size=150,
    max_size=400,
)


def _bigint(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip(" ")) else None


def _int(text: str) -> int | None:
    number = _bigint(text)
    return number if number is not None and -(2**31) <= number < 2**31 else None


def _decimal(text: str) -> Decimal | None:
    if not re.fullmatch(r"[+-]?[0-9]{1,38}(\.[0-9]{1,2})?", text.strip(" ")):
        return None
    number = Decimal(text.strip(" "))
    return number if abs(number) < 10**8 else None


def _date(text: str) -> date | None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text.strip(" ")):
        return None
    try:
        return date.fromisoformat(text.strip(" "))
    except ValueError:
        return None


def _timestamp(text: str) -> datetime | None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z?", text.strip(" ")):
        return None
    moment, _, fraction = text.strip(" ").removesuffix("Z").replace("T", " ").partition(".")
    try:
        return datetime.fromisoformat(moment) + timedelta(microseconds=int(fraction.ljust(6, "0")))
    except ValueError:
        return None


@BATCHES
@given(texts=TEXTS)
def test_text_becomes_a_value_or_null(texts: list[str], spark: SparkSession) -> None:
    sql = """SELECT id, parse_bigint(text) AS a, parse_int(text) AS b, parse_decimal(text, 10, 2) AS c, parse_date(text) AS d,
             parse_timestamp(text) AS e FROM silver.texts"""
    relation = {"silver__texts": pa.table({"id": range(len(texts)), "text": texts})}
    expected = [(i, _bigint(t), _int(t), _decimal(t), _date(t), _timestamp(t)) for i, t in enumerate(texts)]
    assert sorted(on_duckdb(sql, relation)) == expected
    assert sorted(on_spark(spark, sql, relation)) == expected


@BATCHES
@given(moments=st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), min_size=100, max_size=300))
def test_days_of_moments(moments: list[datetime], spark: SparkSession) -> None:
    changes = [datetime(2017, 3, 12, 7), datetime(2017, 11, 5, 6), datetime(2017, 3, 13, 4), datetime(2017, 11, 6, 5)]
    moments = [*moments, *(c + timedelta(microseconds=d) for c in changes for d in (-1, 0, 1))]
    sql = """SELECT id, business_day(at) AS a, week_start(at) AS b, iso_day_of_week(at) AS c, iso_week(at) AS d,
             iso_year(at) AS e, surrogate_key(id, at) AS f FROM silver.moments"""
    relation = {"silver__moments": pa.table({"id": range(len(moments)), "at": pa.array(moments, pa.timestamp("us"))})}
    expected = [(i, *_days(i, m)) for i, m in enumerate(moments)]
    assert sorted(on_duckdb(sql, relation)) == expected
    assert sorted(on_spark(spark, sql, relation)) == expected


def _days(i: int, moment: datetime) -> tuple[Any, ...]:
    iso = moment.isocalendar()
    written = moment.isoformat(sep=" ").rstrip("0").rstrip(".") if moment.microsecond else moment.isoformat(sep=" ")
    key = int(hashlib.md5(f"{i}|{written}".encode()).hexdigest()[:15], 16)
    monday = moment.date() - timedelta(days=moment.weekday())
    return (
        moment.replace(tzinfo=UTC).astimezone(ZoneInfo(ZONE)).date(),
        monday,
        iso.weekday,
        iso.week,
        iso.year,
        key,
    )


def test_promotion_weeks_start_where_the_data_has_them(spark: SparkSession) -> None:
    sql = "SELECT week, promotion_week_start(week) AS day FROM silver.weeks"
    relation = {"silver__weeks": pa.table({"week": pa.array([-1, 0, 1, 2, 3, 53, 10_000, None], pa.int64())})}
    expected = [(1, date(2017, 1, 1)), (2, date(2017, 1, 2)), (3, date(2017, 1, 9)), (53, date(2017, 12, 25))]
    for rows in (on_duckdb(sql, relation), on_spark(spark, sql, relation)):
        assert sorted(row for row in rows if row[1]) == expected
        assert len(rows) == 8


@pytest.mark.parametrize(
    "sql", ["parse_bigint(a, b)", "parse_decimal(a, 2, 10)", "parse_decimal(a, b, 2)", "surrogate_key()", "ratio(a)"]
)
def test_wrong_arguments_are_refused(sql: str) -> None:
    with pytest.raises(ConfigurationFailure, match=sql.partition("(")[0]):
        render(sql, "duckdb", zone=ZONE)


def test_the_zone_is_the_stores() -> None:
    import duckdb

    sql = "business_day(timestamp '2017-07-01 23:30:00')"
    days = [duckdb.sql(f"SELECT {render(sql, 'duckdb', zone=zone)}").fetchone() for zone in ("America/New_York", "Asia/Tokyo")]
    assert days == [(date(2017, 7, 1),), (date(2017, 7, 2),)]
