"""How large a launch is: never less for more work, never without bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retail_lake.config import REMOTE, EngineName
from retail_lake.contract import Workload
from retail_lake.engines import sizing
from retail_lake.failure import ConfigurationFailure

ENGINES, WORKLOADS = st.sampled_from(REMOTE), st.sampled_from(list(Workload))
BYTES, DAYS = st.integers(0, 10**14), st.integers(0, 4000)


@given(ENGINES, WORKLOADS, BYTES, BYTES, DAYS, DAYS)
def test_more_work_never_gets_fewer_workers(
    engine: EngineName, load: Workload, size: int, more: int, days: int, also: int
) -> None:
    assert sizing.workers(engine, load, size, days) <= sizing.workers(engine, load, size + more, days + also)


@given(ENGINES, WORKLOADS, BYTES, DAYS)
def test_there_is_one_at_least_and_a_bound(engine: EngineName, load: Workload, size: int, days: int) -> None:
    assert 1 <= sizing.workers(engine, load, size, days) <= sizing.MOST[engine] <= 50


@given(st.integers(1, 200))
def test_glue_gets_what_was_asked_for_and_a_driver(number: int) -> None:
    # As much memory and as many cores as so many workers have, and at most one of them and a large driver more.
    assert number + 1 <= dpus(number) <= number + 4
    assert dpus(number) <= dpus(number + 1)


def dpus(number: int) -> int:
    """Glue's own unit: one for each G.1X, two for each G.2X."""
    size = sizing.glue(number)
    return size.number * {"G.1X": 1, "G.2X": 2}[size.type]


def test_a_day_of_the_pilot_is_small_and_a_year_of_a_large_store_is_not() -> None:
    assert sizing.workers("glue", Workload.INGEST, 2_000_000, 1) == 1
    assert sizing.workers("glue", Workload.INGEST, 2_000_000, 365) == 7
    assert sizing.workers("emr_serverless", Workload.ANALYTICS, 10_000_000_000, 365) == 20
    assert sizing.glue(1) == ("G.1X", 2) and sizing.glue(40) == ("G.2X", 21)


def test_a_lambda_gets_fifteen_minutes_and_no_more_than_it_can_hold() -> None:
    assert sizing.timeout("awslambda", 7200) == 900 and sizing.timeout("awslambda", 60) == 60
    assert sizing.timeout("glue", 7200) == 7200
    sizing.check("awslambda", "bronze.till_lines", sizing.LAMBDA_BYTES)
    sizing.check("glue", "bronze.till_lines", 10**13)
    with pytest.raises(ConfigurationFailure, match=r"bronze.till_lines reads 501 MB.*SMALL_BYTES"):
        sizing.check("awslambda", "bronze.till_lines", 501_000_000)
