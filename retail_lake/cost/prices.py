"""AWS's list prices, in one dated table, and what usage costs by them.

Belongs here: prices as data. Does not: discounts, free tiers, storage, requests to S3 or traffic; a bill may differ, and
only AWS's Cost Explorer has it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from retail_lake.cost.usage import UNITS

_HOUR: Final = 3600
# Athena's own smallest limit of a scan, "10 MB", is 10,000,000 bytes: its units are decimal.
_TERABYTE: Final = 10**12


@dataclass(frozen=True)
class PriceTable:
    """US dollars per unit in one region, as listed on a date. `sources` names the page of each price."""

    region: str
    date: date
    dollars: Mapping[str, float]
    sources: Mapping[str, str]


_US_EAST_1: Final = PriceTable(
    region="us-east-1",
    date=date(2026, 6, 1),
    dollars={
        "dpu_seconds": 0.44 / _HOUR,
        "vcpu_hours": 0.052624,
        "gb_hours": 0.0057785,
        "storage_gb_hours": 0.000111,
        "gb_seconds": 0.0000166667,
        "requests": 0.0000002,
        "scanned_bytes": 5.00 / _TERABYTE,
        # An EMR step uses what the cluster's owner pays for anyway.
        "instance_seconds": 0.0,
    },
    sources={
        "dpu_seconds": "AWS Glue pricing, Spark ETL jobs, standard (not Flex): 0.44 a DPU-hour, by the second",
        "vcpu_hours": "Amazon EMR pricing, EMR Serverless, Linux on x86: 0.052624 a vCPU-hour, by the second",
        "gb_hours": "Amazon EMR pricing, EMR Serverless, Linux on x86: 0.0057785 a GB-hour, by the second",
        "storage_gb_hours": "Amazon EMR pricing, EMR Serverless, standard storage above 20 GB a worker: 0.000111 a GB-hour",
        "gb_seconds": "AWS Lambda pricing, x86, first tier: 0.0000166667 a GB-second, by the millisecond",
        "requests": "AWS Lambda pricing: 0.20 a million requests",
        "scanned_bytes": "Amazon Athena pricing, SQL queries: 5.00 a TB scanned",
        "instance_seconds": "not priced: the EC2 instances and the EMR charge of a running cluster are its owner's bill",
    },
)

TABLES: Final[Mapping[str, PriceTable]] = {_US_EAST_1.region: _US_EAST_1}
"""The tables there are, by region."""


def table_for(region: str) -> PriceTable:
    """The prices of a region; us-east-1's where there are none of its own."""
    return TABLES.get(region, _US_EAST_1)


def price(usage: Mapping[str, float], region: str) -> float:
    """What this usage costs there, in US dollars. Raises ValueError for a unit unknown here or an amount that is none."""
    if unknown := sorted(set(usage) - set(UNITS)):
        raise ValueError(f"No such unit of usage: {', '.join(unknown)}; there are {', '.join(UNITS)}")
    if wrong := [f"{unit}={amount}" for unit, amount in usage.items() if not (math.isfinite(amount) and amount >= 0)]:
        raise ValueError(f"Not an amount of usage: {', '.join(wrong)}")
    listed = table_for(region).dollars
    return math.fsum(amount * listed[unit] for unit, amount in usage.items())


def basis(region: str) -> str:
    """One sentence that says whose prices these are and of when."""
    table = table_for(region)
    elsewhere = "" if table.region == region else f"; there is no table for {region}, where prices may differ"
    return f"AWS list prices of {table.date} in {table.region}{elsewhere}"
