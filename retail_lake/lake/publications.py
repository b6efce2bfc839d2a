"""What is published: the latest publication of every table and day, in the Iceberg table `ops.publications`.

Staleness, idempotence and `status` read it, because snapshot properties go when snapshots expire. One small file per
table, replaced by each of its publications, so that reading and writing stay flat however long history grows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from retail_lake.contract import Column

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table as IcebergTable

COLUMNS = (
    Column("table", "string", "Full name of the table; the partition."),
    Column("day", "date", "The day published; empty for an unpartitioned table."),
    Column("status", "string", "published; incomplete: published, but a file is missing; blocked: the day before stays."),
    Column("job_id", "string", "The job that made the visible data."),
    Column("run_id", "string", "The run that asked for it."),
    Column("code_version", "string", "Digest of the table's contract and transformation."),
    Column("fingerprint", "string", "Digest of code and inputs of the visible data; empty if there is none."),
    Column("refused", "string", "Fingerprint of the last blocked attempt, or of what a person rolled back."),
    Column("snapshot_id", "bigint", "The Iceberg snapshot that made it visible."),
    Column("input_sequences", "string", "JSON: the sequence number of each input's pinned snapshot."),
    Column("rows_in", "bigint", "Rows that went in."),
    Column("rows", "bigint", "Rows visible."),
    Column("quarantined", "bigint", "Rows in quarantine."),
    Column("duplicates", "bigint", "Rows dropped as duplicates."),
    Column("checks_passed", "int", "Rules that held."),
    Column("checks_failed", "int", "Rules that did not."),
    Column("files", "int", "Landed files read."),
    Column("touched_days", "string", "JSON: the business days that a bronze day's records claim."),
    Column("changes", "string", "JSON: for an unpartitioned table, [first day, fingerprint] steps: what each day sees."),
    Column("published_at", "timestamp", "When (UTC)."),
)


@dataclass(frozen=True)
class Publication:
    """The latest state of one table and day; `day` is None for an unpartitioned table. Counts are rows."""

    table: str
    day: date | None
    status: str
    job_id: str
    run_id: str
    code_version: str
    fingerprint: str
    refused: str
    snapshot_id: int | None
    input_sequences: dict[str, int]
    rows_in: int
    rows: int
    quarantined: int
    duplicates: int
    checks_passed: int
    checks_failed: int
    files: int
    touched_days: tuple[date, ...]
    changes: tuple[tuple[date, str], ...]
    published_at: datetime

    @property
    def visible(self) -> bool:
        """Whether readers see data (or a true absence of rows) of this day."""
        return bool(self.fingerprint)

    @property
    def rolled_back(self) -> bool:
        """A person refused what was built, and put back what was there before."""
        return bool(self.refused) and self.status != "blocked"

    def seen_on(self, day: date) -> str:
        """The fingerprint of what this unpartitioned table shows to that day."""
        seen = self.fingerprint
        for first, fingerprint in self.changes:
            if first <= day:
                seen = fingerprint
        return seen

    def refuse(self, attempt: Publication) -> Publication:
        """This publication after a blocked attempt: the data stays, the attempt's counts are what people need to see."""
        return replace(
            attempt,
            status="blocked",
            fingerprint=self.fingerprint,
            refused=attempt.fingerprint,
            job_id=self.job_id,
            snapshot_id=self.snapshot_id,
            rows=self.rows,
            changes=self.changes,
            touched_days=self.touched_days,
        )


def newer(sequences: Mapping[str, int], than: Mapping[str, int]) -> bool:
    """Whether any input was pinned later than the same input there."""
    return any(sequences.get(name, 0) > sequence for name, sequence in than.items())


def to_arrow(publications: Iterable[Publication]) -> pa.Table:
    """Publications as rows of `ops.publications`."""
    import pyarrow as pa

    rows = []
    for publication in publications:
        row = asdict(publication)
        row["input_sequences"] = json.dumps(publication.input_sequences, sort_keys=True)
        row["touched_days"] = json.dumps([d.isoformat() for d in publication.touched_days])
        row["changes"] = json.dumps([(d.isoformat(), f) for d, f in publication.changes])
        row["published_at"] = publication.published_at.astimezone(UTC).replace(tzinfo=None)
        rows.append(row)
    types = {
        "string": pa.string(),
        "date": pa.date32(),
        "bigint": pa.int64(),
        "int": pa.int32(),
        "timestamp": pa.timestamp("us"),
    }
    return pa.Table.from_pylist(rows, pa.schema([pa.field(c.name, types[c.type]) for c in COLUMNS]))


def from_arrow(rows: pa.Table) -> list[Publication]:
    """The rows of `ops.publications` as publications."""
    known = {f.name for f in fields(Publication)}
    publications = []
    for row in rows.to_pylist():
        row = {k: v for k, v in row.items() if k in known}
        row["input_sequences"] = json.loads(row["input_sequences"])
        row["touched_days"] = tuple(date.fromisoformat(d) for d in json.loads(row["touched_days"]))
        row["changes"] = tuple((date.fromisoformat(d), f) for d, f in json.loads(row["changes"]))
        row["published_at"] = row["published_at"].replace(tzinfo=UTC)
        publications.append(Publication(**row))
    return publications


def read(stored: IcebergTable, table: str | None = None) -> list[Publication]:
    """All publications, or one table's."""
    from pyiceberg.expressions import AlwaysTrue, EqualTo

    return from_arrow(stored.scan(row_filter=EqualTo("table", table) if table else AlwaysTrue()).to_arrow())


def write(
    stored: IcebergTable, table: str, known: Sequence[Publication], new: Sequence[Publication]
) -> dict[date | None, Publication]:
    """Replace one table's file: what is known of it, overlaid with what is new.

    What was recorded from newer inputs stays: another publisher committed after us and came here first. Returns the
    table's publications as they are now.
    """
    from pyiceberg.expressions import EqualTo

    merged = {p.day: p for p in known}
    merged |= {p.day: p for p in new if p.day not in merged or not newer(merged[p.day].input_sequences, p.input_sequences)}
    rows = sorted(merged.values(), key=lambda p: p.day or date.min)
    stored.overwrite(to_arrow(rows), overwrite_filter=EqualTo("table", table))
    return merged
