"""What a job is asked and what it answers: two versioned JSON documents, the only contract between Dagster and an engine.

Belongs here: `JobDescription`, `JobReport` and their parts. Does not: how a job is planned (`lake/plan.py`) or run
(`jobs/program.py`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

VERSION: Literal[1] = 1


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataFile(_Document):
    """One Parquet file of a pinned snapshot: its rows, its size in bytes and, where the table has days, the one it holds."""

    uri: str
    rows: int
    size: int = 0
    day: date | None = None


class PinnedInput(_Document):
    """An input table as of one snapshot. `sequence` orders snapshots of one table; an empty table has neither.

    `evolved` says that the table once had other columns, so that older files may lack some.
    """

    table: str
    snapshot_id: int | None
    sequence: int
    files: tuple[DataFile, ...]
    evolved: bool = False


class LandedFile(_Document):
    """One landed file that is input: the newest version of its part. `key` is relative to the landing location."""

    key: str
    uri: str
    arrival_day: date
    part: str
    size: int
    modified: datetime


class FileProblem(_Document):
    """A landed file that cannot be read, or an expected one that is missing, and what to do about it."""

    key: str
    arrival_day: date
    rule: str
    problem: str


class JobDescription(_Document):
    """One table, the days to build and everything pinned that they are built from.

    `days` is empty for an unpartitioned table. `fingerprints` has, for each day (or for `whole`), a digest of the code
    and the inputs: equal fingerprints mean equal results. `previous` is the published state of an unpartitioned table, to
    tell which days see a change. `listed_at` is when the landing was listed. `staging` is a URI prefix of this job's own.
    `settings` are those of the lake that the job's process must share, wherever it runs.
    """

    version: Literal[1] = VERSION
    job_id: str
    run_id: str
    table: str
    days: tuple[date, ...]
    code_version: str
    fingerprints: dict[str, str]
    inputs: tuple[PinnedInput, ...] = ()
    previous: PinnedInput | None = None
    landed: tuple[LandedFile, ...] = ()
    problems: tuple[FileProblem, ...] = ()
    superseded_files: dict[date, int] = Field(default_factory=dict)
    listed_at: datetime | None = None
    first_day: date
    last_day: date
    store_time_zone: str
    staging: str
    settings: dict[str, str] = Field(default_factory=dict)

    @property
    def input_bytes(self) -> int:
        """Bytes of all that the job reads, as stored."""
        return sum(f.size for f in self.landed) + sum(f.size for i in self.inputs for f in i.files)

    @property
    def input_files(self) -> int:
        """Files that the job reads."""
        return len(self.landed) + sum(len(i.files) for i in self.inputs)


class StagedFile(_Document):
    """One staged Parquet file; it holds one day. `day` is None for an unpartitioned table."""

    uri: str
    day: date | None
    rows: int


class RuleVerdict(_Document):
    """What one rule found on one day. `unexpected` and `judged` are rows; aggregates give `observed` instead."""

    rule: str
    success: bool
    severity: Literal["critical", "warning"]
    judged: int | None = None
    unexpected: int | None = None
    observed: str | None = None
    details: str | None = None


class DayReport(_Document):
    """One day (or, with `day` None, the whole of an unpartitioned table) as the job found it; all counts are rows."""

    day: date | None
    rows_in: int
    published: int
    quarantined: int = 0
    duplicates: int = 0
    verdicts: tuple[RuleVerdict, ...] = ()
    problems: tuple[FileProblem, ...] = ()
    files_read: int = 0
    touched_days: tuple[date, ...] = ()

    @property
    def blocked(self) -> bool:
        """A critical rule failed past its tolerance, or rows are unaccounted for: the day is not published."""
        return not self.conserved or any(not v.success and v.severity == "critical" for v in self.verdicts)

    @property
    def incomplete(self) -> bool:
        """A file that the day needs is missing or unreadable."""
        return bool(self.problems)

    @property
    def conserved(self) -> bool:
        """Every row that went in is published, quarantined or counted as a duplicate."""
        return self.rows_in == self.published + self.quarantined + self.duplicates


class JobReport(_Document):
    """What a job staged and found. `samples` are violating rows by rule, masked. `seconds` is by phase. `changed` is, for
    an unpartitioned table, the first and last day that see a change against the previous state; None if none does.
    `usage` is what a remote engine used of AWS, by unit (`cost/usage.py`), and `console` where AWS shows the job.
    """

    version: Literal[1] = VERSION
    job_id: str
    table: str
    engine: str
    days: tuple[DayReport, ...]
    staged: tuple[StagedFile, ...] = ()
    quarantine: tuple[StagedFile, ...] = ()
    samples: dict[str, list[dict[str, str | None]]] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    changed: tuple[date, date] | None = None
    usage: dict[str, float] = Field(default_factory=dict)
    console: str = ""


class FailureReport(_Document):
    """Why a job could not give a report. `kind` is transient, data, configuration or bug; a bug has its stack trace."""

    version: Literal[1] = VERSION
    kind: Literal["transient", "data", "configuration", "bug"]
    message: str
    trace: str = ""
