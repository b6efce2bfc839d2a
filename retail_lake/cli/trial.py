"""A job run for a look at it: staged in a folder of its own that goes away, never published.

Belongs here: what `preview` and `parity` share. Does not: showing it.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from retail_lake.config import REMOTE
from retail_lake.engines.launches import TRIAL
from retail_lake.failure import ConfigurationFailure
from retail_lake.storage import delete_prefix

if TYPE_CHECKING:
    from retail_lake.config import Settings
    from retail_lake.contract import Table
    from retail_lake.jobs.description import JobDescription
    from retail_lake.lake.lake import Lake


def describe(lake: Lake, table: Table, day: date) -> JobDescription:
    """The job that would build that day now. Raises `ConfigurationFailure` if its inputs are not there."""
    from retail_lake.lake.plan import plan

    made = plan(lake, table, [day], run_id=TRIAL, force=True)
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
def staging(settings: Settings, job: JobDescription, engine: str) -> Iterator[JobDescription]:
    """The job with a staging location of its own that the engine can reach, removed afterwards whatever happens."""
    if engine in REMOTE:
        # Beside the table's data, where the roles of remote jobs may write; what a kill leaves there is swept with the rest.
        location = f"{job.staging}-{uuid.uuid4().hex[:8]}"
        try:
            yield job.model_copy(update={"staging": location})
        finally:
            delete_prefix(location, settings)
        return
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="trial-", dir=settings.home) as folder:
        yield job.model_copy(update={"staging": f"file://{Path(folder).absolute()}/{job.job_id}"})
