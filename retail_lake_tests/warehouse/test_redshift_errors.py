"""What a warehouse says when it fails, and what may be done about it."""

from __future__ import annotations

import pytest

from retail_lake.failure import TransientFailure
from retail_lake.warehouse.redshift_errors import failure_of


@pytest.mark.parametrize(
    "said",
    [
        "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally",
        "FATAL: the database system is starting up",
        "FATAL: the database system is in recovery mode",
        "connection attempt failed",
        "FATAL: terminating connection due to administrator command",
    ],
)
def test_a_server_that_died_is_asked_again(said: str) -> None:
    failure = failure_of(said, "loading gold.fact_sales")
    assert isinstance(failure, TransientFailure)
    assert str(failure).startswith("loading gold.fact_sales: ")


def test_what_nobody_foresaw_is_a_bug() -> None:
    assert type(failure_of("the moon is in the way", "loading gold.fact_sales")) is RuntimeError
