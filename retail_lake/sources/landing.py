"""What landed: which files of a dataset are input to which arrival day, and what is wrong with that.

Belongs here: keys, versions and arrival days, from one listing. Does not: the files' contents (`read.py`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from retail_lake.config import Settings
from retail_lake.contract import Landing
from retail_lake.failure import ConfigurationFailure
from retail_lake.jobs.description import FileProblem, LandedFile
from retail_lake.storage import Stored, list_files

_WHENEVER = datetime(1, 1, 1)
_DAY_FOLDER = re.compile(r"(?:.*/)?(\d{4}[-/]\d{2}[-/]\d{2})/")


@dataclass(frozen=True)
class Landed:
    """The landing of one dataset, by arrival day. Every day that was asked for has an entry, if an empty one.

    `files` has the newest version of each part, in the order of the keys; `superseded` counts the older versions left out.
    """

    files: dict[date, list[LandedFile]]
    problems: dict[date, list[FileProblem]]
    superseded: dict[date, int]


class _Version(NamedTuple):
    """One version of a part. Tuples compare as versions do: by number, then arrival, then (for a total order) key."""

    number: int
    arrival: date
    key: str
    stored: Stored


class Place(NamedTuple):
    """Where a key of a dataset belongs: its day in the lake, the part that it is a version of, and which version.

    Versions compare as numbers do, then by arrival, then (for a total order) by key. A key that the pattern does not match
    has a day, but no part.
    """

    day: date
    part: str = ""
    version: tuple[int, date, str] = (0, date.min, "")


def place(landing: Landing, key: str, first_day: date) -> Place:
    """The place of a key below the dataset's folder. Raises `ConfigurationFailure` for a wrong pattern."""
    pattern = _compiled(landing, f"{landing.system}/{landing.dataset}")
    try:
        part, version = _parsed(Stored(key, 0, _WHENEVER), pattern)
    except ValueError:
        return Place(_day_of_folder(key, first_day))
    return Place(max(version.arrival, first_day), part, (version.number, version.arrival, key))


def is_marker(landing: Landing, key: str) -> bool:
    """Whether a key is the file by which the system says that a day is there; it holds no records."""
    return bool(landing.marker) and key.rpartition("/")[2] == landing.marker


def is_input(landing: Landing, key: str) -> bool:
    """Whether a key counts at all: parts of it that start with `.` or `_` are somebody's work in progress, but for markers."""
    folder, _, name = key.rpartition("/")
    named = [*folder.split("/"), *([] if is_marker(landing, key) else [name])]
    return not any(part.startswith((".", "_")) for part in named)


def landed(landing: Landing, days: Iterable[date], settings: Settings) -> Landed:
    """What is input to each of the arrival days, as the landing is now.

    Only the newest version of a part is input, on the day that version arrived. The lake's first day also takes what arrived
    before it or has no arrival day in its key. A part that a day expects is there when any version of it is, on whatever day.
    A key that the pattern does not match is a problem of the day its folder names, or else of the first day. Raises
    `ConfigurationFailure` for a wrong pattern, another `Failure` when the landing cannot be listed.
    """
    root = f"{landing.system}/{landing.dataset}"
    pattern = _compiled(landing, root)
    wanted = sorted(set(days))
    result = Landed({day: [] for day in wanted}, {day: [] for day in wanted}, dict.fromkeys(wanted, 0))
    versions: dict[str, list[_Version]] = defaultdict(list)

    for stored in list_files(f"{settings.landing_uri}/{root}", settings):
        if is_marker(landing, stored.key):
            continue
        try:
            part, version = _parsed(stored, pattern)
        except ValueError as error:
            day = _day_of_folder(stored.key, settings.first_day)
            if day in result.problems:
                what = f"{root}/{stored.key}: {error}. Rename the file as the pattern says, remove it, or change the pattern"
                result.problems[day].append(_problem(f"{root}/{stored.key}", day, "file_name_matches", what))
        else:
            versions[part].append(version)

    older: Counter[date] = Counter()
    for part, all_versions in versions.items():
        newest = max(all_versions)
        older.update(max(v.arrival, settings.first_day) for v in all_versions if v is not newest)
        day = max(newest.arrival, settings.first_day)
        if day in result.files:
            result.files[day].append(_landed_file(newest.stored, root, day, part, settings))
    for day in wanted:
        result.files[day].sort(key=lambda file: file.key)
        result.superseded[day] = older[day]
        for part in (expected.format(day=f"{day:%Y%m%d}") for expected in landing.expected):
            if part not in versions:
                what = f"{root}: {part} has not arrived. Ask {landing.system} to deliver it, then materialize {day} again"
                result.problems[day].append(_problem(f"{root}/{part}", day, "file_has_arrived", what))
    return result


def _compiled(landing: Landing, root: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(landing.pattern)
    except re.error as error:
        raise ConfigurationFailure(f"{root}: pattern {landing.pattern!r} is not a regular expression: {error}") from None
    if "part" not in pattern.groupindex:
        raise ConfigurationFailure(f"{root}: pattern {landing.pattern!r} has no group named `part`")
    return pattern


def _parsed(stored: Stored, pattern: re.Pattern[str]) -> tuple[str, _Version]:
    """The part that a key names, and which version of it. Raises ValueError saying what does not match."""
    match = pattern.fullmatch(stored.key)
    if not match:
        raise ValueError(f"the name does not match {pattern.pattern}")
    groups = match.groupdict()
    arrival = date.fromisoformat(groups["arrival"].replace("/", "-")) if groups.get("arrival") else date.min
    return groups["part"], _Version(int(groups.get("version") or 0), arrival, stored.key, stored)


def _day_of_folder(key: str, first_day: date) -> date:
    found = _DAY_FOLDER.match(key)
    try:
        return max(date.fromisoformat(found[1].replace("/", "-")), first_day) if found else first_day
    except ValueError:
        return first_day


def _landed_file(stored: Stored, root: str, day: date, part: str, settings: Settings) -> LandedFile:
    key = f"{root}/{stored.key}"
    return LandedFile(
        key=key, uri=f"{settings.landing_uri}/{key}", arrival_day=day, part=part, size=stored.size, modified=stored.modified
    )


def _problem(key: str, day: date, rule: str, problem: str) -> FileProblem:
    return FileProblem(key=key, arrival_day=day, rule=rule, problem=problem)
