"""Dagster's freshness policy of a table, from its contract: what the UI shows beside it.

Belongs here: that policy. Does not: who is told when a table is late (`health/freshness.py`, which goes by the missing day).

Dagster sees when a table was last materialized, not which day. For a table with days that is enough: the day that ended at
midnight is to be built between then and its deadline. An unpartitioned table is built when something that it reads changes, and
of that Dagster knows nothing: it has no policy, and is late as its contract says. Nor has a lake that has ended one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from retail_lake.config import Settings
from retail_lake.contract import Table

_DAY: Final = timedelta(days=1)


def freshness_policy(settings: Settings, table: Table) -> dg.FreshnessPolicy | None:
    """The policy, if the contract promises anything and the lake goes on."""
    within = table.fresh_within
    if within is None or not table.day or settings.last_day < datetime.now(UTC).date():
        return None
    if within >= _DAY:
        return dg.FreshnessPolicy.time_window(fail_window=_DAY + within, warn_window=within)
    minutes = int(within.total_seconds() // 60)
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{minutes % 60} {minutes // 60} * * *", lower_bound_delta=within, timezone=settings.store_time_zone
    )
