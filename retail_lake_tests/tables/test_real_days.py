"""Facts and marts of real days against the source itself, counted with pandas."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import pandas as pd
import pytest

from retail_lake_tests.tables.chain import SOURCE, build, run

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 10)
MONEY = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]


@pytest.fixture(scope="module")
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    with build(FIRST, LAST) as connection:
        yield connection


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    """The days' source rows, money in cents, with their business day and what the ERP says of the product."""
    found = pd.read_parquet(SOURCE / "transactions.parquet", filters=[("transaction_timestamp", "<", pd.Timestamp("2017-01-12"))])
    local = found["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    found["sale_date"] = local.dt.date
    for name in MONEY:
        found[name] = (found[name] * 100).round().astype("int64")
    found = found[found["sale_date"] <= LAST].merge(pd.read_parquet(SOURCE / "products.parquet"), on="product_id", how="left")
    for name in ("department", "product_category"):
        found[name] = found[name].fillna("(unknown)")
    return found


def table(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return connection.sql(sql).fetchall()


def _flat(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return list(frame.reset_index().itertuples(index=False, name=None))


def cents(names: list[str]) -> str:
    return ", ".join(f"CAST(sum({name}) * 100 AS BIGINT)" for name in names)


@pytest.mark.parametrize("relation", ["silver__sales", "gold__fact_sales"])
@pytest.mark.parametrize("by", [["sale_date"], ["store_id"], ["product_id"]], ids=str)
def test_sales_equal_the_source(lake: duckdb.DuckDBPyConnection, lines: pd.DataFrame, relation: str, by: list[str]) -> None:
    grouped = lines.groupby(by)
    expected = grouped.agg(
        baskets=("basket_id", "nunique"),
        lines=("basket_id", "size"),
        quantity=("quantity", "sum"),
        **{m: (m, "sum") for m in MONEY},
    )
    sql = f"SELECT {by[0]}, count(DISTINCT basket_id), count(*), sum(quantity), {cents(MONEY)} FROM {relation} GROUP BY 1"
    assert sorted(table(lake, sql)) == sorted(expected.itertuples(name=None))


def test_every_line_has_its_product_and_household(lake: duckdb.DuckDBPyConnection, lines: pd.DataFrame) -> None:
    joined = table(
        lake,
        """SELECT count(*), count(*) FILTER (NOT f.product_known), count(*) FILTER (p.is_inferred),
            count(*) FILTER (p.product_id = f.product_id AND h.household_id = f.household_id)
        FROM gold__fact_sales f JOIN gold__dim_product p USING (product_key) JOIN gold__dim_household h USING (household_key)""",
    )
    unknown = int(lines["brand"].isna().sum())
    assert unknown > 0
    assert joined == [(len(lines), unknown, unknown, len(lines))]


def test_unknown_stores_are_told(lake: duckdb.DuckDBPyConnection) -> None:
    with lake.cursor() as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE bronze__till_lines SET store_id = '9001' WHERE _position % 1000 = 1")
        (spoiled,) = connection.sql("SELECT count(*) FROM bronze__till_lines WHERE store_id = '9001'").fetchone() or (0,)
        run(connection, "silver.sales", [FIRST + timedelta(days=i) for i in range(10)])
        assert table(connection, "SELECT count(*) FROM silver__sales WHERE NOT store_known") == [(spoiled,)]
        assert table(connection, "SELECT count(*) FROM silver__sales") == table(
            connection, "SELECT count(*) FROM bronze__till_lines"
        )
        connection.execute("ROLLBACK")


def test_category_sales(lake: duckdb.DuckDBPyConnection, lines: pd.DataFrame) -> None:
    grouped = lines.groupby(["sale_date", "department", "product_category"])
    expected = grouped.agg(
        stores=("store_id", "nunique"), baskets=("basket_id", "nunique"), products=("product_id", "nunique"),
        lines=("basket_id", "size"), quantity=("quantity", "sum"), sales_value=("sales_value", "sum"),
    )  # fmt: skip
    found = table(
        lake,
        """SELECT sale_date, department, product_category, stores, baskets, products, lines, quantity,
            CAST(sales_value * 100 AS BIGINT) FROM gold__daily_category_sales""",
    )
    assert sorted(found) == sorted(_flat(expected))
    private = lines[lines["brand"] == "Private"]["sales_value"].sum()
    assert table(lake, "SELECT CAST(sum(private_label_sales_value) * 100 AS BIGINT) FROM gold__daily_category_sales") == [
        (private,)
    ]


def test_store_sales(lake: duckdb.DuckDBPyConnection, lines: pd.DataFrame) -> None:
    grouped = lines.groupby(["sale_date", "store_id"])
    expected = grouped.agg(
        baskets=("basket_id", "nunique"), households=("household_id", "nunique"), lines=("basket_id", "size"),
        sales_value=("sales_value", "sum"),
    )  # fmt: skip
    sql = "SELECT sale_date, store_id, baskets, households, lines, CAST(sales_value * 100 AS BIGINT) FROM gold__daily_store_sales"
    assert sorted(table(lake, sql)) == sorted(_flat(expected))


def test_basket_metrics(lake: duckdb.DuckDBPyConnection, lines: pd.DataFrame) -> None:
    sums = lines.groupby("basket_id").agg(lines=("product_id", "size"), **{m: (m, "sum") for m in MONEY})
    sums["paid"] = sums["sales_value"] - sums["coupon_disc"]
    sums["shelf"] = sums["sales_value"] + sums["retail_disc"] + sums["coupon_match_disc"]
    found = lake.sql("SELECT * FROM gold__basket_metrics").df().set_index("basket_id").loc[sums.index]
    assert (found["lines"] == sums["lines"]).all()
    for column, cents_ in (("sales_value", "sales_value"), ("paid_value", "paid"), ("shelf_value", "shelf")):
        assert (found[column].astype(float).mul(100).round() == sums[cents_]).all(), column
    share = (sums["retail_disc"] + sums["coupon_match_disc"]) / sums["shelf"].where(sums["shelf"] != 0)
    pd.testing.assert_series_equal(found["discount_share"], share, check_names=False, rtol=1e-9)
    assert (found["has_coupon"] == (lines.groupby("basket_id")["coupon_disc"].max() > 0)).all()


def test_promotion_lift(lake: duckdb.DuckDBPyConnection, lines: pd.DataFrame) -> None:
    promotions = pd.read_parquet(SOURCE / "promotions.parquet", filters=[("week", "<=", 3)])
    week = {FIRST + timedelta(days=i): 1 if i == 0 else 2 + (i - 1) // 7 for i in range(10)}
    items = lines.assign(week=lines["sale_date"].map(week))
    items = items.groupby(["sale_date", "week", "product_category", "product_id", "store_id"], as_index=False)[
        "sales_value"
    ].sum()
    items = items.merge(promotions[["week", "store_id"]].drop_duplicates(), on=["week", "store_id"])
    offered = promotions[["week", "product_id", "store_id"]].drop_duplicates().assign(promoted=True)
    items = items.merge(offered, on=["week", "product_id", "store_id"], how="left")
    items["promoted"] = items["promoted"].notna()
    means = items.pivot_table(
        index=["sale_date", "product_category"], columns="promoted", values="sales_value", aggfunc=["size", "mean"]
    )
    found = lake.sql("SELECT * FROM gold__promotion_lift").df()
    found["sale_date"] = found["sale_date"].dt.date
    found = found.set_index(["sale_date", "product_category"]).sort_index()
    assert list(found.index) == sorted(means.index)
    sizes, values = means["size"].fillna(0), means["mean"] / 100
    assert (found["promoted_items"] == sizes[True]).all() and (found["other_items"] == sizes[False]).all()
    lift = values[True] / values[False].where(values[False] != 0)
    pd.testing.assert_series_equal(found["lift"], lift, check_names=False, rtol=1e-9)
    assert lift.notna().sum() > 100


def test_campaigns(lake: duckdb.DuckDBPyConnection, lines: pd.DataFrame) -> None:
    campaigns = pd.read_parquet(SOURCE / "campaign_descriptions.parquet")
    audience = pd.read_parquet(SOURCE / "campaigns.parquet")
    coupons = pd.read_parquet(SOURCE / "coupons.parquet")
    redemptions = pd.read_parquet(SOURCE / "coupon_redemptions.parquet")
    expected = {}
    for day in (FIRST + timedelta(days=i) for i in range(10)):
        moment = pd.Timestamp(day)
        for campaign in campaigns[(campaigns["start_date"] <= moment) & (campaigns["end_date"] >= moment)].itertuples():
            members = set(audience[audience["campaign_id"] == campaign.campaign_id]["household_id"])
            products = set(coupons[coupons["campaign_id"] == campaign.campaign_id]["product_id"])
            bought = lines[(lines["sale_date"] == day) & lines["household_id"].isin(members)]
            used = redemptions[(redemptions["redemption_date"] == moment) & (redemptions["campaign_id"] == campaign.campaign_id)]
            expected[day, campaign.campaign_id] = (
                (moment - campaign.start_date).days + 1, len(members), len(used), used["household_id"].nunique(),
                bought["household_id"].nunique(), bought["basket_id"].nunique(), bought["sales_value"].sum(),
                bought[bought["product_id"].isin(products)]["sales_value"].sum(),
            )  # fmt: skip
    found = table(
        lake,
        """SELECT activity_date, campaign_id, campaign_day, audience_households, redemptions, redeeming_households,
            buying_households, baskets, CAST(sales_value * 100 AS BIGINT), CAST(coupon_product_sales_value * 100 AS BIGINT)
        FROM gold__campaign_effectiveness""",
    )
    assert {row[:2]: row[2:] for row in found} == expected
    assert sum(row[4] for row in found) > 0  # type: ignore[misc]


def test_coupons_and_audience_are_unnested(lake: duckdb.DuckDBPyConnection) -> None:
    # As the source has them: repeated products stay, because the job counts them as duplicates.
    assert table(lake, "SELECT count(*) FROM silver__coupons") == [(116_204,)]
    distinct = "SELECT count(*) FROM (SELECT DISTINCT campaign_id, coupon_upc, product_id FROM silver__coupons)"
    assert table(lake, distinct) == [(111_332,)]
    assert table(lake, "SELECT count(*) FROM silver__campaign_audience") == [(6_589,)]


def test_promotions_are_conserved(lake: duckdb.DuckDBPyConnection) -> None:
    expected = pd.read_parquet(SOURCE / "promotions.parquet", filters=[("week", "<=", 3)])["week"].value_counts()
    found = table(
        lake,
        """SELECT week, week_start, count(*), count(product_key), count(DISTINCT effective_on)
        FROM gold__fact_promotion GROUP BY week, week_start""",
    )
    starts = {1: date(2017, 1, 1), 2: date(2017, 1, 2), 3: date(2017, 1, 9)}
    assert sorted(found) == [(week, start, expected[week], expected[week], 1) for week, start in starts.items()]


def test_a_day_alone_gives_the_same_as_in_a_range(lake: duckdb.DuckDBPyConnection) -> None:
    day = date(2017, 1, 4)
    for name, column in (
        ("gold.fact_sales", "sale_date"), ("gold.household_rfm", "as_of_date"), ("gold.promotion_lift", "sale_date"),
        ("gold.campaign_effectiveness", "activity_date"), ("gold.basket_metrics", "sale_date"),
    ):  # fmt: skip
        relation = name.replace(".", "__")
        with lake.cursor() as connection:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE before AS SELECT * FROM {relation} WHERE {column} = DATE '{day}'")
            connection.execute("BEGIN")
            run(connection, name, [day])
            assert table(connection, f"SELECT count(*) FROM (FROM before EXCEPT ALL FROM {relation})") == [(0,)], name
            assert table(connection, f"SELECT count(*) FROM {relation}") == table(connection, "SELECT count(*) FROM before"), name
            connection.execute("ROLLBACK")
