"""The kinds of faults, one module each.

Belongs here: what happens, and how it is undone. Does not: when, or what should come of it.
"""

from __future__ import annotations

from typing import Final

from retail_lake_tests.faults.fault import Fault
from retail_lake_tests.faults.kinds.arrivals_repeated import ArrivalsRepeated
from retail_lake_tests.faults.kinds.disk_full import DiskFull
from retail_lake_tests.faults.kinds.job_killed import JobKilled
from retail_lake_tests.faults.kinds.maintenance_beside import MaintenanceBeside
from retail_lake_tests.faults.kinds.moved_clock import ClockBack, ClockForward
from retail_lake_tests.faults.kinds.run_beside import RunBeside
from retail_lake_tests.faults.kinds.run_killed import RunKilled
from retail_lake_tests.faults.kinds.run_orphaning import RunOrphaning
from retail_lake_tests.faults.kinds.run_stalled import RunStalled
from retail_lake_tests.faults.kinds.s3_failing import S3Failing
from retail_lake_tests.faults.kinds.s3_killed import S3Killed
from retail_lake_tests.faults.kinds.warehouse_killed import WarehouseKilled

KINDS: Final[tuple[type[Fault], ...]] = (
    RunKilled,
    RunStalled,
    RunBeside,
    MaintenanceBeside,
    ArrivalsRepeated,
    ClockBack,
    ClockForward,
    DiskFull,
    S3Failing,
    S3Killed,
    JobKilled,
    RunOrphaning,
    WarehouseKilled,
)
