"""What is delivered: a file with its defects, told apart from how it is written and from what is in it.

Belongs here: `Delivery`, `Defect` and what a defect does. Does not: how defects are made (each system's module).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Effect(StrEnum):
    """What the pipeline is expected to do about a defect."""

    QUARANTINED = "quarantined"  # the record is kept apart with its reasons
    DUPLICATE = "duplicate"  # the record, or every record of the file, is counted and dropped
    FILE_REJECTED = "file_rejected"  # no row of the file is read, and the day is incomplete until it is corrected
    FILE_MISSING = "file_missing"  # the file is not there, and the day is incomplete until it comes
    SUPERSEDED = "superseded"  # the file is never read: a newer version came on the same day


@dataclass(frozen=True)
class Defect:
    """One entry of the ledger.

    `file` is the key below the landing location. `line` counts from 1, a header included; in Parquet it is the row. It is
    None for a defect of the whole file; then `rows` tells how many records the file has. `text` is the spoiled text.
    `corrected_on` is the arrival day of the correction.
    """

    file: str
    line: int | None
    kind: str
    text: str | None
    effect: Effect
    rows: int | None = None
    corrected_on: date | None = None


@dataclass(frozen=True)
class Delivery:
    """One file as it arrives. `content` is None for a file that should have arrived and did not.

    `rows` counts the records a reader finds, defective ones included: none in a file that is rejected.
    """

    key: str
    arrival_day: date
    content: bytes | None
    rows: int
    defects: tuple[Defect, ...] = ()

    @property
    def dataset(self) -> str:
        """`system/dataset`."""
        return "/".join(self.key.split("/")[:2])
