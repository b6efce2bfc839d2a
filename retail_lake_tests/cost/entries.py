"""Attempts as they might have been, for the tests of this room."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from retail_lake.cost.ledger import Used


def attempt(token: str, **more: Any) -> Used:
    """One attempt: an hour on ten DPUs, 4.40 dollars, unless told otherwise."""
    given: dict[str, Any] = {
        "run_id": "run-1",
        "table": "silver.sales",
        "first_day": date(2017, 1, 1),
        "last_day": date(2017, 1, 2),
        "days": 2,
        "engine": "glue",
        "remote_id": f"jr_{token}",
        "usage": {"dpu_seconds": 36_000.0},
        "dollars": 4.40,
        "ended_at": datetime(2026, 3, 4, 12, 30, tzinfo=UTC),
        "succeeded": True,
    }
    return Used(token=token, **(given | more))
