"""The whole year, January's late arrivals included: what is in the lake is what was sold, exactly."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from retail_lake.config import Settings
from retail_lake.demo import source
from retail_lake.demo.serve import serve
from retail_lake.lake.lake import Lake
from retail_lake_tests.flow import truth
from retail_lake_tests.flow.pilot import FIRST, Outcomes, Pilot, days, statuses

pytestmark = pytest.mark.full
LAST = date(2018, 1, 10)
CLOSED = date(2017, 12, 25)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pilot, Outcomes]:
    """A lake of all 375 arrival days, built in one range, and what became of it."""
    folder: Path = tmp_path_factory.mktemp("year")
    serve(folder / "landing", folder / "ledger", FIRST, 375)
    pilot = Pilot(folder, folder)
    pilot.settings = Settings(home=folder, first_day=FIRST, last_day=LAST, threads=2)
    pilot.lake = Lake(pilot.settings)
    return pilot, pilot.build(days(375))


@pytest.fixture(scope="module")
def sold() -> pd.DataFrame:
    """Every line of the source."""
    return truth.sold(LAST)


@pytest.mark.parametrize("name", ["silver.sales", "gold.fact_sales"])
def test_every_line_of_the_year_is_there_once_to_the_cent(year: tuple[Pilot, Outcomes], sold: pd.DataFrame, name: str) -> None:
    assert len(sold) == 1_469_307
    pd.testing.assert_frame_equal(truth.in_lake(year[0].frame(name)), sold)


def test_the_quirks_of_the_year_are_kept(year: tuple[Pilot, Outcomes]) -> None:
    lines = year[0].frame("gold.fact_sales")
    assert (~lines["product_known"]).sum() == 4_836
    assert (lines["quantity"] == 0).sum() == 8_869
    assert lines["quantity"].max() == 89_638
    assert lines["sale_date"].max() == date(2017, 12, 31)
    assert str(lines["sold_at"].max()).startswith("2018-01-01 04:01")
    assert CLOSED not in set(lines["sale_date"])
    assert statuses(year[1]["gold.fact_sales"])[CLOSED] == "published"


def test_every_promotion_and_redemption_of_the_year_is_there_once(year: tuple[Pilot, Outcomes]) -> None:
    pilot, connection = year[0], duckdb.connect()
    columns = "product_id, store_id, week, display_location, mailer_location"
    files = [f.uri.removeprefix("file://") for f in pilot.lake.current_files("gold.fact_promotion").files]
    there = f"SELECT {columns} FROM read_parquet({files})"
    expected = f"SELECT {columns} FROM '{source.parquet('promotions')}'"
    # No row repeats in the source, so that sums of hashes tell them apart without sorting 21 million rows.
    said = f"SELECT count(*), sum(hash({columns})::HUGEINT) FROM"
    assert connection.execute(f"{said} ({there})").fetchall() == connection.execute(f"{said} ({expected})").fetchall()
    rows = pilot.frame("gold.fact_redemption")
    found = list(zip(rows["household_id"], rows["coupon_upc"], rows["campaign_id"], rows["redemption_date"], strict=True))
    assert len(found) == len(set(found)) == 2_102
    assert set(found) == truth.redeemed(LAST)


def test_every_row_is_accounted_for_and_no_day_is_bad(year: tuple[Pilot, Outcomes]) -> None:
    for name, outcome in year[1].items():
        assert not outcome.failed, (name, outcome.failed[:3])
        assert all(d.report.conserved for d in outcome.days if d.report), name
