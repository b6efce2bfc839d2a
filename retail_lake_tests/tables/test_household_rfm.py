"""Recency, frequency and money of households over real months, against pandas."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import pandas as pd
import pytest

from retail_lake_tests.tables.chain import SOURCE, connect, run

DAYS = [date(2017, 1, 1), date(2017, 3, 31), date(2017, 4, 20)]


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    found = pd.read_parquet(
        SOURCE / "transactions.parquet",
        columns=["household_id", "basket_id", "product_id", "sales_value", "transaction_timestamp"],
        filters=[("transaction_timestamp", "<", pd.Timestamp("2017-04-22"))],
    )
    local = found["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    found["sale_date"] = local.dt.date
    found["cents"] = (found["sales_value"] * 100).round().astype("int64")
    return found


@pytest.fixture(scope="module")
def lake(lines: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    connection = connect()
    connection.register("lines", lines.drop(columns="transaction_timestamp"))
    connection.execute("INSERT INTO gold__fact_sales BY NAME SELECT * EXCLUDE (cents) FROM lines")
    run(connection, "gold.household_rfm", DAYS)
    return connection


def ntile(values: pd.Series) -> pd.Series:
    """SQL's ntile(5) of rows in the order of (value, household): the first groups are one larger where it does not divide."""
    order = values.reset_index().sort_values([values.name, "household_id"])["household_id"].tolist()
    size, larger = divmod(len(order), 5)
    scores: dict[int, int] = {}
    at = 0
    for score in range(1, 6):
        for household in order[at : at + size + (score <= larger)]:
            scores[household] = score
        at += size + (score <= larger)
    return values.index.to_series().map(scores)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_households(lake: duckdb.DuckDBPyConnection, lines: pd.DataFrame, day: date) -> None:
    seen = lines[(lines["sale_date"] <= day) & (lines["sale_date"] > day - timedelta(days=90))]
    expected = seen.groupby("household_id").agg(
        last=("sale_date", "max"), baskets=("basket_id", "nunique"), cents=("cents", "sum")
    )
    columns = {
        "last_sale_date": expected["last"],
        "recency_days": expected["last"].map(lambda last: (day - last).days),
        "frequency": expected["baskets"],
        "cents": expected["cents"],
        "recency_score": ntile(expected["last"]),
        "frequency_score": ntile(expected["baskets"]),
        "monetary_score": ntile(expected["cents"]),
    }
    found = lake.execute(
        "SELECT *, CAST(monetary * 100 AS BIGINT) AS cents FROM gold__household_rfm WHERE as_of_date = ? ORDER BY household_id",
        [day],
    ).df()
    found["last_sale_date"] = found["last_sale_date"].dt.date
    assert found["household_id"].tolist() == sorted(expected.index)
    for name, values in columns.items():
        assert found[name].tolist() == values.sort_index().tolist(), name


def test_every_household_is_in_one_segment(lake: duckdb.DuckDBPyConnection) -> None:
    segments = dict(
        lake.sql("SELECT segment, count(*) FROM gold__household_rfm WHERE as_of_date = '2017-04-20' GROUP BY 1").fetchall()
    )
    assert set(segments) == {"Champions", "Loyal", "Promising", "At risk", "Lapsing", "Occasional"}
    best = (
        "SELECT min(least(recency_score, frequency_score, monetary_score)) FROM gold__household_rfm WHERE segment = 'Champions'"
    )
    assert lake.sql(best).fetchone() == (4,)
