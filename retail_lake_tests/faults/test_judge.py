"""What is held against the reads of a round in which nobody knows which states there should have been."""

from __future__ import annotations

from retail_lake_tests.faults.clients import PYICEBERG, Read
from retail_lake_tests.faults.digest import Content
from retail_lake_tests.faults.judge import made_up
from retail_lake_tests.faults.reader import Seen
from retail_lake_tests.faults.state import State

TABLE, DAY = "gold.fact_sales", "2017-01-01"
OLD, NEW, LAST, MIXED = (Content(n, f"{n}") for n in (1, 2, 3, 12))
OTHERS = ("DuckDB on the lake", "SQL on the warehouse")


def read(content: Content | None) -> Read:
    return Read({DAY: content} if content else {}, {})


def told(*contents: Content | None, by: str) -> list[str]:
    """The verdict where pyiceberg went through an old state and a new one, and the last came after it had looked."""
    seen = Seen()
    for content in contents:
        seen.note(by, TABLE, read(content))
    for content in (OLD, NEW):
        seen.note(PYICEBERG, TABLE, read(content))
    return made_up(seen, State({TABLE: {DAY: LAST}}, frozenset()))


def test_what_pyiceberg_saw_or_is_there_at_the_end_may_be_read_at_any_time() -> None:
    for client in OTHERS:
        assert told(NEW, OLD, LAST, by=client) == []


def test_a_mixture_of_two_states_or_a_day_that_is_gone_for_a_moment_is_told() -> None:
    for client in OTHERS:
        assert told(OLD, MIXED, NEW, by=client) == [f"{client}, {TABLE} {DAY}: 12 rows, as no state of the table had"]
        assert told(OLD, None, NEW, by=client) == [f"{client}, {TABLE} {DAY}: nothing, as no state of the table had"]
