"""What every contract must keep, and what a wrong one is told."""

import re
from dataclasses import replace
from datetime import date
from operator import attrgetter
from typing import Any

import pytest

from retail_lake.contract import Column, Layer, Severity, Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.quality.supported import is_row_rule
from retail_lake.sql.binder import bind
from retail_lake.tables import TABLES, inputs, ordered

every_table = pytest.mark.parametrize("table", TABLES.values(), ids=attrgetter("full_name"))
BY_LAYER = {layer: [t for t in TABLES.values() if t.layer is layer] for layer in Layer}


def test_the_pilots_tables_are_there() -> None:
    assert {t.name for t in BY_LAYER[Layer.BRONZE]} == {
        "till_lines", "promotions", "erp_products", "crm_households", "crm_stores", "campaigns", "redemptions",
        "campaign_calendar",
    }  # fmt: skip
    assert {t.name for t in BY_LAYER[Layer.SILVER]} == {
        "sales", "products", "households", "stores", "promotions", "campaigns", "campaign_calendar", "campaign_audience",
        "coupons", "redemptions",
    }  # fmt: skip
    assert {t.name for t in BY_LAYER[Layer.GOLD]} == {
        "dim_date", "dim_product", "dim_household", "dim_store", "dim_campaign", "fact_sales", "fact_redemption",
        "fact_promotion", "daily_store_sales", "daily_category_sales", "basket_metrics", "household_rfm",
        "campaign_effectiveness", "promotion_lift",
    }  # fmt: skip


def test_each_table_comes_after_what_it_reads() -> None:
    seen: set[str] = {"run.days"}
    for name, table in TABLES.items():
        assert set(inputs(table)) <= seen, name
        seen.add(name)


@every_table
def test_everything_is_said(table: Table) -> None:
    assert table.description and table.grain
    for column in table.columns:
        assert re.fullmatch(r"[A-Z0-9].*\.", column.comment), f"{column.name}: {column.comment!r}"


@every_table
def test_people_are_marked(table: Table) -> None:
    about_people = {"household_id", "loyalty_card", "postal_code", "audience"}
    assert {c.name for c in table.columns} & about_people <= table.pii


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.sql], ids=attrgetter("full_name"))
def test_the_sql_gives_the_contracts_columns(table: Table) -> None:
    bind(table, TABLES)


@pytest.mark.parametrize("table", BY_LAYER[Layer.SILVER], ids=attrgetter("full_name"))
def test_one_bad_row_does_not_hold_a_day(table: Table) -> None:
    for rule in table.rules:
        if is_row_rule(rule) and rule.severity is Severity.CRITICAL:
            assert rule.mostly < 1, rule.name


@pytest.mark.parametrize("table", BY_LAYER[Layer.SILVER], ids=attrgetter("full_name"))
def test_no_row_is_without_a_key(table: Table) -> None:
    required = {r.columns[0] for r in table.rules if r.type == "expect_column_values_to_not_be_null" and r.row_condition is None}
    assert set(table.key) <= required


@pytest.mark.parametrize(
    ("table", "key", "groups"),
    [
        ("till_lines", "2017-01-05/till-lines_g1_20170103_v2.csv", ("2017-01-05", "g1_20170103", "2")),
        ("till_lines", "2017-01-04/till-lines_g4_20170103_retransmit_v1.csv", ("2017-01-04", "g4_20170103_retransmit", "1")),
        ("promotions", "2017-01-02/promotions_w02_v1.parquet", ("2017-01-02", "w02", "1")),
        ("erp_products", "LOAD0000000A.csv", (None, "LOAD0000000A", None)),
        ("erp_products", "2017/01/02/20170102-060000500.csv", ("2017/01/02", "20170102-060000500", None)),
        ("crm_households", "2017-01-02/households_20170102_v1.parquet", ("2017-01-02", "households_20170102", "1")),
        ("crm_stores", "2017-01-02/stores_20170102_v1.parquet", ("2017-01-02", "stores_20170102", "1")),
        ("campaigns", "2017-02-05/campaigns_20170205_v1.jsonl", ("2017-02-05", "campaigns_20170205", "1")),
        ("redemptions", "2017-01-02/redemptions_20170102_v1.jsonl", ("2017-01-02", "redemptions_20170102", "1")),
        ("campaign_calendar", "2017-01-02/calendar_20170102_page-001_v2.json", ("2017-01-02", "calendar_20170102_page-001", "2")),
    ],
)  # fmt: skip
def test_landed_keys_are_understood(table: str, key: str, groups: tuple[str | None, ...]) -> None:
    landing = TABLES[f"bronze.{table}"].landing
    assert landing is not None
    found = re.fullmatch(landing.pattern, key)
    assert found is not None
    assert tuple(found.groupdict().get(name) for name in ("arrival", "part", "version")) == groups
    for expected in landing.expected:
        prefix = expected.format(day=f"{date(2017, 1, 3):%Y%m%d}")
        assert prefix[:1] == (groups[1] or "")[:1]


def gold(name: str, sql: str) -> Table:
    return Table(name=name, layer=Layer.GOLD, description="A table.", grain="row", columns=(Column("a", "int", "A."),), sql=sql)


def test_an_unknown_input_is_refused() -> None:
    with pytest.raises(ConfigurationFailure, match=r"gold\.one reads gold\.nowhere: there is no such table"):
        ordered([gold("one", "SELECT a FROM gold.nowhere")])


def test_a_circle_is_refused() -> None:
    with pytest.raises(ConfigurationFailure, match="in a circle"):
        ordered([gold("one", "SELECT a FROM gold.two"), gold("two", "SELECT a FROM gold.one")])


def test_the_flow_is_one_way() -> None:
    with pytest.raises(ConfigurationFailure, match=r"gold\.one reads bronze\.till_lines: gold does not read that layer"):
        ordered([TABLES["bronze.till_lines"], gold("one", "SELECT 1 AS a FROM bronze.till_lines")])


def test_a_whole_input_must_be_read() -> None:
    with pytest.raises(ConfigurationFailure, match=r"gold\.two names gold\.three, which its SQL does not read"):
        ordered(
            [gold("one", "SELECT 1 AS a FROM run.days"), replace(gold("two", "SELECT a FROM gold.one"), whole=("gold.three",))]
        )


def test_the_layout_in_a_warehouse_does_not_make_days_stale() -> None:
    plain = gold("one", "SELECT 1 AS a FROM run.days")
    assert replace(plain, sort_by=("a",), distribute_by="a").code_version == plain.code_version


@pytest.mark.parametrize("layout", [{"sort_by": ("b",)}, {"distribute_by": "b"}])
def test_a_layout_by_an_unknown_column_is_refused(layout: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationFailure, match=r"names columns the contract does not have: \['b'\]"):
        replace(gold("one", "SELECT 1 AS a FROM run.days"), **layout)
