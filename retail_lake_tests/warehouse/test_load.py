"""A load makes the warehouse's days equal to the lake's, however often it is run, whatever the warehouse is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from retail_lake.contract import Column
from retail_lake.failure import ConfigurationFailure, DataFailure
from retail_lake.jobs.description import DataFile
from retail_lake_tests.warehouse.lake_folder import DAY1, DAY2, DAY3, dimension, fact
from retail_lake_tests.warehouse.worlds import World, by_day


def test_days_are_loaded_replaced_and_left_alone(world: World) -> None:
    lake, warehouse = world.lake, world.warehouse
    lake.sales(DAY1, 3)
    lake.sales(DAY2, 2)
    lake.publish(DAY3)
    first = warehouse.load(fact(), [DAY1, DAY2, DAY3], lake, run_id="one")
    assert [(d.day, d.rows, d.changed) for d in first.days] == [(DAY1, 3, True), (DAY2, 2, True), (DAY3, 0, True)]
    assert first.total_rows == 5
    lake.sales(DAY2, 4, value="2.25")
    assert warehouse.pending(fact(), [DAY1, DAY2], lake) == [DAY2]
    second = warehouse.load(fact(), [DAY1, DAY2], lake, run_id="two")
    assert [(d.day, d.rows, d.changed) for d in second.days] == [(DAY1, 3, False), (DAY2, 4, True)]
    assert second.total_rows == 7
    assert by_day(world) == [(DAY1, 3, Decimal("3.30")), (DAY2, 4, Decimal("9.00"))]
    loads = [(day, snapshot, rows, run) for day, _, snapshot, rows, run, _ in world.ledger("fact_sales")]
    assert loads == [(DAY1, 3, 3, "one"), (DAY2, 4, 4, "two"), (DAY3, 3, 0, "one")]


def test_only_the_days_asked_for_are_touched(world: World) -> None:
    world.lake.sales(DAY1, 3)
    world.lake.sales(DAY2, 2)
    world.warehouse.load(fact(), [DAY2], world.lake, run_id="one")
    assert by_day(world) == [(DAY2, 2, Decimal("2.20"))]
    assert world.warehouse.load(fact(), [], world.lake, run_id="two").unchanged
    world.warehouse.load(fact(), None, world.lake, run_id="three")
    assert [day for day, *_ in by_day(world)] == [DAY1, DAY2]


def test_a_repeated_load_writes_nothing(world: World) -> None:
    world.lake.sales(DAY1, 3)
    assert world.warehouse.pending(fact(), None, world.lake) == [DAY1]
    world.warehouse.load(fact(), None, world.lake, run_id="one")
    before = world.ledger("fact_sales")
    again = world.warehouse.load(fact(), None, world.lake, run_id="two")
    assert again.unchanged and again.rows == 0 and again.total_rows == 3
    assert world.ledger("fact_sales") == before
    assert world.warehouse.pending(fact(), None, world.lake) == []


def test_a_day_that_left_the_lake_leaves_the_warehouse(world: World) -> None:
    world.lake.sales(DAY1, 3)
    world.lake.sales(DAY2, 2)
    world.warehouse.load(fact(), None, world.lake, run_id="one")
    del world.lake.files[DAY1]
    world.warehouse.load(fact(), None, world.lake, run_id="two")
    assert [day for day, *_ in by_day(world)] == [DAY2]
    assert world.warehouse.load(fact(), None, world.lake, run_id="three").unchanged


def test_a_dimension_is_replaced_whole(world: World) -> None:
    world.lake.publish(None, "SELECT 1::BIGINT AS store_id, TIMESTAMP '1900-01-01' AS valid_from")
    world.warehouse.load(dimension(), None, world.lake, run_id="one")
    world.lake.publish(None, "SELECT unnest([2, 3])::BIGINT AS store_id, TIMESTAMP '2017-03-12 07:30:00.000001' AS valid_from")
    outcome = world.warehouse.load(dimension(), None, world.lake, run_id="two")
    assert [(d.day, d.rows) for d in outcome.days] == [(None, 2)]
    assert world.rows("SELECT store_id, CAST(valid_from AS VARCHAR) FROM dim_store ORDER BY 1") == [
        (2, "2017-03-12 07:30:00.000001"),
        (3, "2017-03-12 07:30:00.000001"),
    ]
    assert world.warehouse.load(dimension(), [DAY1], world.lake, run_id="three").unchanged


def test_comments_are_the_contract_s(world: World) -> None:
    world.lake.sales(DAY1, 1)
    world.warehouse.load(fact(), None, world.lake, run_id="one")
    expected = {
        "sale_date": "The store's business day.",
        "basket_id": "Checkout basket.",
        "sales_value": "Paid, in dollars; 'net'.",
        "": "Lines sold. Grain: basket line",
    }
    found = world.comments("fact_sales")
    assert {name: found[name] for name in expected} == expected


def test_an_added_column_evolves_the_table(world: World) -> None:
    world.lake.sales(DAY1, 2)
    world.warehouse.load(fact(), None, world.lake, run_id="one")
    wider = fact(Column("channel", "string", r"Where it was sold: C:\shop."))
    world.lake.sales(DAY2, 1, extra=", 'store' AS channel")
    world.warehouse.check([wider])
    outcome = world.warehouse.load(wider, None, world.lake, run_id="two")
    assert [(d.day, d.changed) for d in outcome.days] == [(DAY1, False), (DAY2, True)]
    assert world.rows("SELECT channel FROM fact_sales ORDER BY sale_date") == [(None,), (None,), ("store",)]
    assert world.comments("fact_sales")["channel"] == r"Where it was sold: C:\shop."


def test_files_from_before_a_column_load_with_nulls(world: World) -> None:
    world.lake.sales(DAY1, 1)
    world.lake.sales(DAY2, 1, extra=", 'store' AS channel")
    world.warehouse.load(fact(Column("channel", "string", "Where.")), None, world.lake, run_id="one")
    assert world.rows("SELECT sale_date, channel FROM fact_sales ORDER BY 1") == [(DAY1, None), (DAY2, "store")]


def test_columns_are_told_by_name_not_by_place(world: World) -> None:
    turned = fact(Column("pieces", "bigint", "Pieces."))
    world.lake.publish(
        DAY1,
        f"SELECT 7::BIGINT AS pieces, 1.50::DECIMAL(12,2) AS sales_value, 1::BIGINT AS basket_id, DATE '{DAY1}' AS sale_date",
    )
    world.lake.sales(DAY2, 1, extra=", 9::BIGINT AS pieces")
    world.warehouse.load(turned, None, world.lake, run_id="one")
    assert world.rows("SELECT basket_id, pieces, sales_value FROM fact_sales ORDER BY sale_date") == [
        (1, 7, Decimal("1.50")),
        (0, 9, Decimal("1.10")),
    ]


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("bigint", "date", "column channel is bigint in the warehouse, date in the contract"),
        ("decimal(12,2)", "decimal(10,2)", "column channel is decimal(12,2) in the warehouse, decimal(10,2) in the contract"),
    ],
)
def test_another_type_is_refused_until_the_table_is_dropped(world: World, was: str, now: str, said: str) -> None:
    before, after = fact(Column("channel", was, "Where.")), fact(Column("channel", now, "Where."))
    world.lake.sales(DAY1, 1)
    world.warehouse.load(before, None, world.lake, run_id="one")
    for refused in (
        lambda: world.warehouse.check([after]),
        lambda: world.warehouse.load(after, None, world.lake, run_id="two"),
    ):
        with pytest.raises(ConfigurationFailure, match="fact_sales") as error:
            refused()
        assert said in str(error.value).lower() and "retail-lake reload fact_sales" in str(error.value)
    world.warehouse.drop(after)
    assert world.warehouse.load(after, None, world.lake, run_id="three").rows == 1


def test_dropping_what_is_not_there_does_nothing(world: World) -> None:
    world.warehouse.drop(fact())
    world.lake.sales(DAY1, 1)
    assert world.warehouse.load(fact(), None, world.lake, run_id="one").rows == 1


def test_a_column_that_left_the_contract_is_refused(world: World) -> None:
    world.lake.sales(DAY1, 1, extra=", 'store' AS channel")
    world.warehouse.load(fact(Column("channel", "string", "Where.")), None, world.lake, run_id="one")
    with pytest.raises(ConfigurationFailure, match="column channel is in the warehouse but no longer in the contract"):
        world.warehouse.check([fact()])


def test_all_tables_that_do_not_fit_are_named_at_once(world: World) -> None:
    channel = Column("channel", "string", "Where.")
    world.lake.sales(DAY1, 1, extra=", 'store' AS channel")
    world.warehouse.load(fact(channel), None, world.lake, run_id="one")
    world.lake.files.clear()
    world.lake.publish(None, "SELECT 1::BIGINT AS store_id, TIMESTAMP '1900-01-01' AS valid_from")
    stored = dimension()
    world.warehouse.load(stored, None, world.lake, run_id="one")
    other = replace(stored, columns=(Column("store_id", "date", "Key."), *stored.columns[1:]))
    world.warehouse.check([fact(channel), stored, replace(stored, name="dim_new")])
    with pytest.raises(ConfigurationFailure) as refused:
        world.warehouse.check([fact(), other])
    told = str(refused.value).lower()
    assert "fact_sales: the contract does not fit" in told and "column channel is in the warehouse but no longer" in told
    assert "dim_store: the contract does not fit" in told and "column store_id is bigint in the warehouse, date in" in told


def test_other_rows_than_published_are_refused_and_rolled_back(world: World) -> None:
    world.lake.sales(DAY1, 3)
    world.warehouse.load(fact(), None, world.lake, run_id="one")
    before = world.ledger("fact_sales")
    world.lake.sales(DAY1, 5)
    world.lake.files[DAY1] = [f.model_copy(update={"rows": 6}) for f in world.lake.files[DAY1]]
    with pytest.raises(DataFailure, match="other rows than the lake publishes, so nothing was loaded"):
        world.warehouse.load(fact(), None, world.lake, run_id="two")
    assert by_day(world) == [(DAY1, 3, Decimal("3.30"))]
    assert world.ledger("fact_sales") == before


def test_a_file_of_two_days_is_refused(world: World) -> None:
    days = f"unnest([DATE '{DAY1}', DATE '{DAY2}']) AS sale_date"
    world.lake.publish(DAY1, f"SELECT {days}, 1::BIGINT AS basket_id, 1.00::DECIMAL(12,2) AS sales_value")
    with pytest.raises(DataFailure, match="other rows than the lake publishes"):
        world.warehouse.load(fact(), None, world.lake, run_id="one")


def test_a_file_without_a_day_is_refused(world: World) -> None:
    world.lake.sales(DAY1, 1)
    (file,) = world.lake.files[DAY1]
    world.lake.files[DAY1] = [DataFile(uri=file.uri, rows=file.rows, size=file.size)]
    with pytest.raises(DataFailure, match="should hold one sale_date"):
        world.warehouse.load(fact(), None, world.lake, run_id="one")
