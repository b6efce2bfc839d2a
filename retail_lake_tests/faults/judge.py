"""Whether a lake came through: nothing lost, nothing seen that should not be, nothing left.

Belongs here: the verdicts. Each returns what is wrong, in words. Does not: reading (`clients.py`, `state.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from retail_lake.config import Settings
from retail_lake.contract import Layer
from retail_lake.engines import launches
from retail_lake.lake.lake import Lake
from retail_lake.lake.maintenance import remove_orphans
from retail_lake.tables import TABLES
from retail_lake_tests.faults.arriving import Served
from retail_lake_tests.faults.clients import PYICEBERG
from retail_lake_tests.faults.digest import WHOLE, Content
from retail_lake_tests.faults.reader import Seen, Version
from retail_lake_tests.faults.state import WAREHOUSE, State, differences, take


def wrong_reads(seen: Seen, states: Sequence[State] | None) -> list[str]:
    """Reads that were not of the old day or the new one: `states` are what there should have been, one after the other.

    A day is of one job or of another, never of both; it is what it was in one of the states; and it never goes back. Where what
    arrived was built piece by piece there are more states than are known (None): only the first is held against it here, and
    the rest is for `made_up`.
    """
    told = list(seen.missing)
    held: dict[tuple[str, str, str], Content | None] = {}
    for (client, name, day), history in seen.histories.items():
        in_states = WAREHOUSE + name.partition(".")[2] if "warehouse" in client else name
        reached = 0
        for version in history:
            what = f"{client}, {name} {day}"
            if len(version.folders) > 1:
                told.append(f"{what}: rows of {len(version.folders)} jobs side by side")
            for folder in version.folders:
                if held.setdefault((name, day, folder), version.content) != version.content:
                    told.append(f"{what}: {version.content} and {held[name, day, folder]} of one job")
            if states is None:
                continue
            fitting = [i for i, state in enumerate(states) if state.content(in_states, day) == version.content]
            if later := [i for i in fitting if i >= reached]:
                reached = later[0]
            else:
                told.append(f"{what}: {_seen(version)} {'again, which was replaced' if fitting else 'is neither old nor new'}")
    return told


def made_up(seen: Seen, found: State) -> list[str]:
    """What any other client read of a day that neither pyiceberg did, which goes through every state of a table, nor is there
    at the end (`found`): nothing that was published."""
    there: dict[tuple[str, str], set[Content | None]] = {}
    for (client, name, day), history in seen.histories.items():
        if client == PYICEBERG:
            there[name, day] = {version.content for version in history}
    return [
        f"{client}, {name} {day}: {_seen(version)}, as no state of the table had"
        for (client, name, day), history in seen.histories.items()
        for version in history
        if version.content not in {*there.get((name, day), ()), found.content(name, day)}
    ]


def _seen(version: Version) -> str:
    return f"{version.content.rows} rows" if version.content else "nothing"


def lost_rows(settings: Settings, served: Served, last: date) -> list[str]:
    """Landed rows that are neither published nor quarantined nor counted as duplicates."""
    from retail_lake_tests.flow.truth import in_lake

    lake = Lake(settings)
    told = []
    for p in lake.publications():
        if TABLES[p.table].layer is not Layer.GOLD and p.rows_in != p.rows + p.quarantined + p.duplicates:
            told.append(f"{p.table} {p.day}: {p.rows_in} in, {p.rows} + {p.quarantined} + {p.duplicates} out")
    stored = lake.stored("silver.sales")
    assert stored
    there = in_lake(stored.scan().to_arrow().to_pandas())
    both = served.sold(last).merge(there, how="left", indicator=True)
    if missing := int((both["_merge"] == "left_only").sum()):
        told += [f"{missing} basket lines of the source are not in silver.sales"] * missing
    return told


def unpublished(settings: Settings, found: State) -> list[str]:
    """Rows that readers see and that no publication accounts for."""
    told = []
    for name, by_day in Lake(settings).publications_by_day().items():
        for day, content in found.tables.get(name, {}).items():
            published = by_day.get(date.fromisoformat(day) if day != WHOLE else None)
            # A dimension that came out as it was keeps the files it had; compaction moves rows and publishes nothing.
            jobs = {folder.rsplit("-", 1)[0] for folder in found.folders[name][day]} if day != WHOLE else set()
            if published is None or published.rows != content.rows or jobs - {published.job_id, "compaction"}:
                told.append(
                    f"{name} {day}: {content.rows} rows of {sorted(jobs)}, but {published and published.job_id} is published"
                )
    return told


def open_launches(settings: Settings) -> list[str]:
    """Jobs that are on record as not ended."""
    if not settings.artifacts_uri:
        return []
    return [f"{each.table} of run {each.run_id} on {each.engine}" for each in launches.open(settings)]


def orphans(settings: Settings, before: State) -> tuple[int, list[str]]:
    """How many files killed jobs left behind, all deleted now; and whether anything else changed by that."""
    lake = Lake(settings)
    removed = sum(len(remove_orphans(lake, table, timedelta(0))) for table in TABLES.values())
    return removed, [f"deleting orphans changed {what}" for what in differences(before, take(settings))]
