"""The audit of what a job staged: every rule and every day, by few queries.

Belongs here: which relation each kind of rule is judged on. Does not: what a rule measures or means (`quality/`), or which
violating rows are shown (`samples.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from retail_lake.contract import Table
from retail_lake.jobs.description import JobDescription, StagedFile
from retail_lake.jobs.samples import Samples, Verdicts, samples
from retail_lake.jobs.session import Session
from retail_lake.jobs.staged import frame_of
from retail_lake.quality.gx import columns_read
from retail_lake.quality.metrics import audit_sql
from retail_lake.quality.supported import other_rules, row_rules, set_rules
from retail_lake.quality.verdicts import verdicts

if TYPE_CHECKING:
    from pandas import DataFrame


def audit(
    table: Table, job: JobDescription, session: Session, judged: str, staged: Sequence[StagedFile]
) -> tuple[Verdicts, Samples]:
    """Verdicts by day and masked samples by rule.

    Row rules are judged on every row, in the relation `judged`; aggregates and uniqueness on `published`, the `staged`
    files. Expectations that no grouped query measures are judged by Great Expectations itself, on those files day by day.
    """
    if not table.rules:
        return {}, {}
    judged_day = "_day" if judged == "mapped" else table.day
    queries = audit_sql(table, judged, judged_day, row_rules(table.rules))
    queries += audit_sql(table, "published", table.day, set_rules(table.rules))
    measured = [row for sql in queries for row in session.query(sql)]
    days: tuple[date | None, ...] = job.days or (None,)
    read = [table.column(name) for name in columns_read(table, other_rules(table.rules))]

    def published(day: date | None) -> DataFrame:
        return frame_of(staged, day, read, session.settings)

    found = verdicts(table, days, measured, published, zone=job.store_time_zone)
    return found, samples(table, session, judged, judged_day, found)
