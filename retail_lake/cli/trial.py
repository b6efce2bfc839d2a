"""A job run for a look at it: staged in a folder of its own that goes away, never published.

Belongs here: what `preview` and `parity` share. Does not: showing it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from retail_lake.failure import ConfigurationFailure

if TYPE_CHECKING:
    from retail_lake.config import Settings
    from retail_lake.contract import Table
    from retail_lake.jobs.description import JobDescription
    from retail_lake.lake.lake import Lake


def describe(lake: Lake, table: Table, day: date) -> JobDescription:
    """The job that would build that day now. Raises `ConfigurationFailure` if its inputs are not there."""
    from retail_lake.lake.plan import plan

    made = plan(lake, table, [day], run_id="trial", force=True)
    for reason in made.waiting.values():
        raise ConfigurationFailure(f"{table.full_name} of {day} cannot be built yet: {reason}. Materialize that first.")
    (job,) = made.jobs
    if job.inputs and all(i.snapshot_id is None for i in job.inputs):
        raise ConfigurationFailure(
            f"{table.full_name} cannot be built yet: nothing of {', '.join(i.table for i in job.inputs)} is published. "
            "Materialize that first."
        )
    return job


@contextmanager
def staging(settings: Settings, job: JobDescription) -> Iterator[JobDescription]:
    """The job with a staging folder of its own, removed afterwards whatever happens."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="trial-", dir=settings.home) as folder:
        yield job.model_copy(update={"staging": f"file://{Path(folder).absolute()}/{job.job_id}"})
