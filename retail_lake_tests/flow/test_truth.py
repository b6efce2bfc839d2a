"""Silver and gold equal the untouched source rows that have arrived, exactly."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from retail_lake.demo import source
from retail_lake_tests.flow import truth
from retail_lake_tests.flow.pilot import LAST, Pilot

PRODUCT = ["manufacturer_id", "department", "brand", "product_category", "product_type", "package_size", "price_group"]
HOUSEHOLD = ["loyalty_card", "age", "income", "home_ownership", "marital_status", "household_size", "city", "postal_code"]


@pytest.fixture(scope="module")
def sold() -> pd.DataFrame:
    """The source's lines that have arrived."""
    return truth.sold(LAST)


@pytest.mark.parametrize("name", ["silver.sales", "gold.fact_sales"])
def test_every_line_sold_is_there_once_to_the_cent(pilot: Pilot, sold: pd.DataFrame, name: str) -> None:
    assert sold["sale_date"].nunique() == 6
    pd.testing.assert_frame_equal(truth.in_lake(pilot.frame(name)), sold)


def test_daily_store_sales_add_up(pilot: Pilot, sold: pd.DataFrame) -> None:
    by_store = sold.groupby(["sale_date", "store_id"])
    expected = by_store[["quantity", *truth.MONEY]].sum()
    expected["lines"] = by_store.size()
    for name, column in (("baskets", "basket_id"), ("households", "household_id"), ("products", "product_id")):
        expected[name] = by_store[column].nunique()
    found = pilot.frame("gold.daily_store_sales").set_index(["sale_date", "store_id"]).sort_index()
    found[truth.MONEY] = found[truth.MONEY].apply(truth.cents)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_dtype=False)
    per_basket = expected["sales_value"] / 100 / expected["baskets"]
    assert (found["sales_per_basket"] - per_basket).abs().max() < 1e-9


def test_marts_add_up(pilot: Pilot, sold: pd.DataFrame) -> None:
    sales = sold.groupby("sale_date")["sales_value"].sum().to_dict()
    for name in ("gold.daily_category_sales", "gold.basket_metrics"):
        found = pilot.frame(name)
        assert truth.cents(found["sales_value"]).groupby(found["sale_date"]).sum().to_dict() == sales, name


@pytest.mark.parametrize("name", ["silver.redemptions", "gold.fact_redemption"])
def test_redemptions(pilot: Pilot, name: str) -> None:
    rows = pilot.frame(name)
    found = list(zip(rows["household_id"], rows["coupon_upc"], rows["campaign_id"], rows["redemption_date"], strict=True))
    assert len(found) == 3
    assert len(found) == len(set(found))
    assert set(found) == truth.redeemed(LAST)


@pytest.mark.parametrize("name", ["silver.promotions", "gold.fact_promotion"])
def test_promotions(pilot: Pilot, name: str) -> None:
    connection = duckdb.connect()
    connection.register("found", pilot.rows(name))
    columns = "product_id, store_id, week, display_location, mailer_location"
    there = f"SELECT {columns} FROM found"
    # The second week began on Monday 2017-01-02, the third on the 9th.
    expected = f"SELECT {columns} FROM '{source.parquet('promotions')}' WHERE week <= 2"
    for one, other in ((there, expected), (expected, there)):
        assert connection.execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchall() == [(0,)]
    weeks = connection.execute("SELECT DISTINCT week, week_start::VARCHAR FROM found ORDER BY 1").fetchall()
    assert weeks == [(1, "2017-01-01"), (2, "2017-01-02")]


def test_campaigns_their_audience_and_coupons(pilot: Pilot) -> None:
    known = truth.campaigns(LAST)
    assert set(pilot.frame("silver.campaigns")["campaign_id"]) == known
    for name, table, columns in (
        ("silver.campaign_audience", "campaigns", ["campaign_id", "household_id"]),
        ("silver.coupons", "coupons", ["campaign_id", "coupon_upc", "product_id"]),
    ):
        expected = truth.raw(table)
        expected = expected[expected["campaign_id"].isin(known)][columns].drop_duplicates()
        expected = expected.sort_values(columns, ignore_index=True)
        found = pilot.frame(name)[columns].sort_values(columns, ignore_index=True)
        assert len(expected) > 100
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize(("what", "attributes"), [("product", PRODUCT), ("household", HOUSEHOLD)])
def test_lines_join_the_version_that_held_when_they_were_sold(pilot: Pilot, what: str, attributes: list[str]) -> None:
    lines = pilot.frame("gold.fact_sales")
    states = (truth.product_states if what == "product" else truth.household_states)(pilot.landing)
    expected = truth.as_of(lines, states, f"{what}_id", attributes)
    keys = [f"{what}_key", f"{what}_id"]
    joined = lines[keys].merge(pilot.frame(f"gold.dim_{what}"), on=keys, how="left", validate="m:1")
    pd.testing.assert_frame_equal(_text(joined[attributes]), _text(expected[attributes]))
    assert lines[f"{what}_known"].tolist() == expected["known"].tolist()
    # It matters: some were sold to or of after a change.
    assert (joined["valid_from"] > truth.BEGINNING).sum() > 20


def test_lines_of_products_nobody_knows_join_an_inferred_member(pilot: Pilot) -> None:
    lines = pilot.frame("gold.fact_sales")
    unknown = ~lines["product_id"].isin(truth.raw("products")["product_id"])
    assert unknown.sum() > 20
    assert lines["product_known"].tolist() == (~unknown).tolist()
    members = pilot.frame("gold.dim_product").set_index("product_key")
    assert members.loc[lines.loc[unknown, "product_key"], "is_inferred"].all()


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    """As text: a number that may be missing is a float here and text there."""
    frame = frame.copy()
    if "manufacturer_id" in frame:
        frame["manufacturer_id"] = pd.to_numeric(frame["manufacturer_id"]).astype("Int64")
    return frame.astype("string")
