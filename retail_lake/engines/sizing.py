"""How large a launch is, from what a table needs and what it reads: pure functions of a few numbers.

Belongs here: workers, worker types, timeouts and the limits of a service. Does not: asking any service. A worker is one
executor of 4 vCPU and 16 GB, whatever the service calls it; the driver comes on top.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from retail_lake.config import PREFIX, EngineName
from retail_lake.contract import Workload
from retail_lake.failure import ConfigurationFailure

MOST: Final[Mapping[EngineName, int]] = {"glue": 50, "emr_serverless": 50, "emr": 20, "awslambda": 1}
"""Most workers that one job gets."""
BYTES: Final[Mapping[Workload, int]] = {
    Workload.INGEST: 1_000_000_000,
    Workload.TRANSFORM: 750_000_000,
    Workload.ANALYTICS: 500_000_000,
}
"""Stored bytes that one more worker is worth: text is read once and forgotten, a window or a join is held."""
DAYS: Final = 60
"""Days that one more worker is worth: each is written, and audited, by itself."""
LARGE: Final = 16
"""Workers from which Glue gives them out by two in one machine: joins meet with fewer, larger neighbours."""
LAMBDA_BYTES: Final = 500_000_000
"""Stored bytes that a function may be given: in its memory they are a few times as much."""
LAMBDA_SECONDS: Final = 900
"""What Lambda gives a function at most."""


class GlueWorkers(NamedTuple):
    """Glue's own words for a size: the type of its workers, and their number, the driver's included."""

    type: str
    number: int


def workers(engine: EngineName, workload: Workload, input_bytes: int, days: int) -> int:
    """How many workers a job gets at most: the services scale up to it by themselves."""
    wanted = max(math.ceil(input_bytes / BYTES[workload]), math.ceil(days / DAYS), 1)
    return min(wanted, MOST.get(engine, 1))


def glue(number: int) -> GlueWorkers:
    """So many workers as Glue counts them."""
    if number < LARGE:
        return GlueWorkers("G.1X", number + 1)
    return GlueWorkers("G.2X", math.ceil(number / 2) + 1)


def timeout(engine: EngineName, seconds: int) -> int:
    """The seconds after which a job of that engine is stopped, where the settings allow so many."""
    return min(seconds, LAMBDA_SECONDS) if engine == "awslambda" else seconds


def check(engine: EngineName, table: str, input_bytes: int) -> None:
    """Raise `ConfigurationFailure` if that is too much for the engine, whatever its size."""
    if engine == "awslambda" and input_bytes > LAMBDA_BYTES:
        raise ConfigurationFailure(
            f"{table} reads {input_bytes / 1e6:,.0f} MB, and awslambda takes at most {LAMBDA_BYTES / 1e6:,.0f} MB: ask for fewer "
            f"days, for another engine, or lower {PREFIX}SMALL_BYTES, which is what is sent there unasked."
        )
