"""What usage costs, held against sums done by hand from AWS's list prices of us-east-1."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retail_lake.cost.prices import TABLES, basis, price, table_for
from retail_lake.cost.usage import UNITS, athena_scanned_bytes, glue_dpu_seconds

USAGE = st.dictionaries(st.sampled_from(sorted(UNITS)), st.floats(0, 1e12))


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        # Ten DPUs for a quarter of an hour: 2.5 DPU-hours at 0.44.
        ({"dpu_seconds": 9_000}, 1.10),
        # AWS's own example has 6 DPUs for 15 minutes cost 0.66.
        ({"dpu_seconds": 6 * 15 * 60}, 0.66),
        # 25 workers of 4 vCPU and 30 GB for half an hour: 50 vCPU-hours and 375 GB-hours, 2.6312 + 2.1669375.
        ({"vcpu_hours": 50, "gb_hours": 375}, 4.7981375),
        ({"storage_gb_hours": 1_000_000}, 111.0),
        # Three million requests of a second at 1 GB: 50.0001 and 0.60.
        ({"gb_seconds": 3_000_000, "requests": 3_000_000}, 50.6001),
        ({"scanned_bytes": 3_000_000_000_000}, 15.0),
        ({"instance_seconds": 86_400}, 0.0),
        ({}, 0.0),
    ],
)
def test_dollars_are_those_done_by_hand(usage: dict[str, float], dollars: float) -> None:
    assert price(usage, "us-east-1") == pytest.approx(dollars, rel=1e-12)


@given(USAGE, USAGE, st.floats(0, 1e3))
def test_a_price_is_linear(one: dict[str, float], other: dict[str, float], times: float) -> None:
    both = {unit: one.get(unit, 0) + times * other.get(unit, 0) for unit in {*one, *other}}
    assert math.isclose(price(both, "us-east-1"), price(one, "us-east-1") + times * price(other, "us-east-1"), abs_tol=1e-9)


def test_every_unit_has_a_meaning_and_in_every_table_a_price_and_its_source() -> None:
    for table in TABLES.values():
        assert set(table.dollars) == set(table.sources) == set(UNITS)
    assert {unit for unit, dollars in table_for("us-east-1").dollars.items() if not dollars} == {"instance_seconds"}


@pytest.mark.parametrize("usage", [{"dpu_hours": 1.0}, {"dpu_seconds": -1.0}, {"gb_seconds": math.nan}, {"requests": math.inf}])
def test_what_is_no_usage_has_no_price(usage: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(usage))):
        price(usage, "us-east-1")


def test_a_region_without_a_table_has_us_east_1s_prices_and_says_so() -> None:
    assert price({"dpu_seconds": 3600}, "eu-central-1") == pytest.approx(0.44)
    assert "eu-central-1" in basis("eu-central-1")
    assert "us-east-1" in basis("eu-central-1")
    assert basis("us-east-1").endswith("us-east-1")


@pytest.mark.parametrize(
    ("seconds", "dpus", "measured", "billed"),
    [
        (600, 10, None, 6_000),
        (600, 10, 2_500.0, 2_500),
        # Half a minute is billed as a whole one: 60 s of 10 DPUs; with auto scaling, twice what was measured.
        (30, 10, None, 600),
        (30, 10, 120.0, 240),
        (60, 2, None, 120),
        (0, 10, None, 0),
    ],
)
def test_glue_bills_a_minute_at_least(seconds: float, dpus: float, measured: float | None, billed: float) -> None:
    assert glue_dpu_seconds(seconds, dpus, measured) == billed


@pytest.mark.parametrize(
    ("scanned", "billed"),
    [(0, 0), (1, 10_000_000), (10_000_000, 10_000_000), (10_000_001, 11_000_000), (2_500_000_000, 2_500_000_000)],
)
def test_athena_bills_whole_megabytes_and_ten_at_least(scanned: int, billed: int) -> None:
    assert athena_scanned_bytes(scanned) == billed
