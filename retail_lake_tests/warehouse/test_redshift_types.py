"""Types of a contract in Redshift and back, and values of each, there and back."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from retail_lake.contract import Column
from retail_lake.failure import ConfigurationFailure
from retail_lake.tables import TABLES
from retail_lake.warehouse.data_api import DataApi
from retail_lake.warehouse.redshift_types import contract_type, redshift_type, value
from retail_lake_tests.warehouse.lake_folder import DAY1, fact
from retail_lake_tests.warehouse.worlds import OnAws

TYPES = {
    "bigint": "bigint",
    "int": "integer",
    "string": "character varying(65535)",
    "boolean": "boolean",
    "double": "double precision",
    "date": "date",
    "timestamp": "timestamp without time zone",
    "decimal(38,9)": "numeric(38,9)",
    "decimal(1,0)": "numeric(1,0)",
}


@pytest.mark.parametrize(("contract", "stored"), TYPES.items())
def test_a_type_is_redshift_s_and_back(contract: str, stored: str) -> None:
    assert redshift_type(contract) == stored
    assert contract_type(stored) == contract


@pytest.mark.parametrize("contract", ["array<bigint>", "struct<a:int,b:array<string>>"])
def test_what_is_nested_is_super(contract: str) -> None:
    assert redshift_type(contract) == "super"


@pytest.mark.parametrize("contract", ["decimal(39,2)", "map<string,int>", "binary"])
def test_what_redshift_has_not_is_refused(contract: str) -> None:
    with pytest.raises(ConfigurationFailure, match="no Redshift type"):
        redshift_type(contract)


def test_every_table_of_gold_has_types() -> None:
    for table in TABLES.values():
        for column in table.columns:
            assert redshift_type(column.type)


def test_an_unknown_kind_of_value_is_what_it_is() -> None:
    assert value({"stringValue": "2017-01-01"}, "varchar") == "2017-01-01"
    assert value({"isNull": True}, "date") is None


def test_values_come_back_as_they_were_published(on_aws: OnAws) -> None:
    wide = fact(
        *(Column(f"c{i}", type_, "C.") for i, type_ in enumerate(TYPES)),
        Column("tags", "array<struct<id:bigint,name:string>>", "Nested."),
        Column("shape", "struct<wide:int,note:string>", "Nested."),
    )
    select = f"""
        SELECT DATE '{DAY1}' AS sale_date, 1::BIGINT AS basket_id, 1.00::DECIMAL(12,2) AS sales_value,
          (-9223372036854775808)::BIGINT AS c0, 2147483647::INTEGER AS c1, 'a "quoted", \n\\ ''line'' é' AS c2, true AS c3,
          0.1::DOUBLE AS c4, DATE '1900-02-28' AS c5, TIMESTAMP '9999-12-31 23:59:59.999999' AS c6,
          12345678901234567890123456789.123456789::DECIMAL(38,9) AS c7, 7::DECIMAL(1,0) AS c8,
          [{{'id': 1::BIGINT, 'name': 'x'}}, {{'id': 2::BIGINT, 'name': NULL}}] AS tags,
          {{'wide': 3::INTEGER, 'note': ''}} AS shape
        UNION ALL SELECT DATE '{DAY1}', 2, 2.00, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    """
    on_aws.lake.publish(DAY1, select)
    on_aws.warehouse.load(wide, None, on_aws.lake, run_id="one")
    served = "attrelid = 'gold.fact_sales'::regclass AND attnum > 0"
    stored = dict(on_aws.redshift.sql(f"SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE {served}"))
    assert [stored[f"c{i}"] for i in range(len(TYPES))] == list(TYPES.values())
    assert (stored["tags"], stored["shape"]) == ("super", "super")
    answer = DataApi(on_aws.settings).query('SELECT * FROM "gold"."fact_sales" ORDER BY "basket_id"')
    assert [name for name, _ in answer.columns] == [c.name for c in wide.columns]
    assert answer.rows == [
        (
            DAY1, 1, Decimal("1.00"), -(2**63), 2**31 - 1, "a \"quoted\", \n\\ 'line' é", True, 0.1, date(1900, 2, 28),
            datetime(9999, 12, 31, 23, 59, 59, 999999), Decimal("12345678901234567890123456789.123456789"), Decimal(7),
            [{"id": 1, "name": "x"}, {"id": 2, "name": None}], {"wide": 3, "note": ""},
        ),
        (DAY1, 2, Decimal("2.00"), None, None, "", None, None, None, None, None, None, None, None),
    ]  # fmt: skip


def test_an_answer_of_many_pages_is_read_to_its_end(on_aws: OnAws) -> None:
    on_aws.lake.sales(DAY1, 1234)
    on_aws.warehouse.load(fact(), None, on_aws.lake, run_id="one")
    api = DataApi(on_aws.settings)
    answer = api.query('SELECT "basket_id" FROM "gold"."fact_sales" WHERE "basket_id" >= :least ORDER BY 1', {"least": "34"})
    assert [n for (n,) in answer.rows] == list(range(34, 1234))
    assert len(on_aws.aws.called("redshift-data", "GetStatementResult")) > 10
