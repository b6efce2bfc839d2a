"""The units in which AWS meters what jobs use, as the services report them, and the minimum that each bills.

Belongs here: what a number of usage means and how it is made of what a service reports. Does not: prices (`prices.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

UNITS: Final[Mapping[str, str]] = {
    "dpu_seconds": "Glue: data processing units (4 vCPU, 16 GB) times seconds, by `glue_dpu_seconds` of what GetJobRun gives",
    "vcpu_hours": "EMR Serverless: GetJobRun's billedResourceUtilization.vCPUHour, with the minimum of a minute a worker in it",
    "gb_hours": "EMR Serverless: billedResourceUtilization.memoryGBHour, likewise",
    "storage_gb_hours": "EMR Serverless: billedResourceUtilization.storageGBHour, what is above the free 20 GB a worker",
    "gb_seconds": "Lambda: the function's memory in GB times billed seconds, from the REPORT line of its log",
    "requests": "Lambda: invocations",
    "instance_seconds": "EMR: the step's seconds times the cluster's instances; the cluster is paid for whether it works or not",
    "scanned_bytes": "Athena: bytes billed for a query, by `athena_scanned_bytes` of its statistics' DataScannedInBytes",
}
"""Every unit there is, with what it means and where its number comes from."""

GLUE_MINIMUM_SECONDS: Final = 60
ATHENA_MINIMUM_BYTES: Final = 10_000_000
_MEGABYTE: Final = 1_000_000


def glue_dpu_seconds(execution_seconds: float, dpus: float, measured: float | None = None) -> float:
    """The DPU-seconds that Glue bills for a run of so many seconds.

    `measured` is the run's DPUSeconds, which Glue gives only with auto scaling; without it, all `dpus` count for the whole
    time. A run of less than a minute is billed as one at its own rate; one that never ran is not billed.
    """
    if execution_seconds <= 0:
        return measured or 0.0
    used = execution_seconds * dpus if measured is None else measured
    return used * max(1.0, GLUE_MINIMUM_SECONDS / execution_seconds)


def athena_scanned_bytes(scanned: int) -> int:
    """The bytes that Athena bills for a query: whole megabytes, at least ten; nothing for a statement that scans nothing."""
    return max(ATHENA_MINIMUM_BYTES, math.ceil(scanned / _MEGABYTE) * _MEGABYTE) if scanned > 0 else 0
