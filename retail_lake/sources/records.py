"""What a reader answers: records, the ones it could not read, or why the file as a whole cannot be read.

Belongs here: the types that every reader module shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pyarrow as pa

from retail_lake.contract import Column

# The rule that every `RejectedRecord` breaks, as quarantine and checks name it.
RECORD_RULE: Final = "record_is_well_formed"


@dataclass(frozen=True)
class RejectedRecord:
    """A single record that cannot be read. `record` is its text as it stands in the file, `position` as in `Records`."""

    position: int
    record: str
    reason: str


@dataclass(frozen=True)
class Records:
    """The records of one file. `table` has the contract's own columns; `positions` (int64) has one number per row, from 1."""

    table: pa.Table
    positions: pa.Array
    rejected: tuple[RejectedRecord, ...] = ()


class UnreadableFile(Exception):
    """A file no record of which can be trusted. `rule` names what it breaks: one of the `file_is_…`, `file_header_matches`."""

    def __init__(self, rule: str, problem: str, what_to_do: str) -> None:
        super().__init__(rule, problem, what_to_do)
        self.rule, self.problem, self.what_to_do = rule, problem, what_to_do

    def __str__(self) -> str:
        return f"{self.problem}. {self.what_to_do}"


class Reader(Protocol):
    """A reader module. `OPTIONS` are the names it takes in `Landing.options`; `TYPED` says that its values are not all text."""

    OPTIONS: frozenset[str]
    TYPED: bool

    def read(self, data: bytes, columns: Sequence[Column], options: Mapping[str, Any]) -> Records:
        """Read one file. Raises `UnreadableFile`."""


def not_empty(data: bytes) -> None:
    """Refuse a file of zero bytes: a system that has nothing to say still writes a header or an empty line."""
    if not data:
        raise UnreadableFile("file_is_not_empty", "the file has no bytes", "Ask the sender to deliver it again")


def decoded(data: bytes) -> str:
    """The file's text. Raises `UnreadableFile` naming line and byte where it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise undecodable(data, error) from None


def undecodable(data: bytes, error: UnicodeDecodeError) -> UnreadableFile:
    """The problem of a file that is not UTF-8."""
    line = data.count(b"\n", 0, error.start) + 1
    return UnreadableFile(
        "file_is_decodable",
        f"line {line}: byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8",
        "Deliver it again as UTF-8",
    )


def header_matches(found: Sequence[str], wanted: Sequence[str], where: str = "header") -> None:
    """Refuse columns that are not exactly the contract's, in its order, naming the missing and the extra ones."""
    if list(found) == list(wanted):
        return
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    twice = sorted({name for name in found if found.count(name) > 1})
    wrong = (("misses", missing), ("has extra", extra), ("repeats", twice))
    problem = (
        " and ".join(f"{what} {_names(names)}" for what, names in wrong if names)
        or f"has the columns in another order: {_names(found)}"
    )
    raise UnreadableFile(
        "file_header_matches",
        f"the {where} {problem}",
        f"Deliver it again with the columns {', '.join(wanted)}, or change the table's contract",
    )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
