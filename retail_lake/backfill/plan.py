"""What a backfill is to build: the days asked for that are missing, stale or forced, and what follows from them downstream.

Belongs here: that choice, day by day, with its reasons. Does not: cutting it into runs (`runs.py`), what it takes
(`estimate.py`).

Which days of a fact see a change of a dimension is known only once that is built, so that a backfill is planned again after
its runs, until nothing is left; `Plan.perhaps` says of which tables more days may follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from retail_lake.contract import Layer, Table
from retail_lake.lake.plan import survey
from retail_lake.tables import TABLES, inputs

if TYPE_CHECKING:
    from retail_lake.lake.lake import Lake
    from retail_lake.lake.publications import Publication
    from retail_lake.warehouse.base import Warehouse

WAREHOUSE: Final = "warehouse."
Days = dict[date | None, str]
"""Days (None: the whole of an unpartitioned table), each with why it is to be built."""

FORCED: Final = "asked for"
MISSING: Final = "missing"
CODE: Final = "older code"
INPUTS: Final = "other inputs"
FOLLOWS: Final = "follows"
LOAD: Final = "not loaded"


@dataclass(frozen=True)
class Request:
    """What somebody asks for: these tables (`layer.table` or `warehouse.table`; all, if none is named) from first to last day.

    `stale` asks only for days that are published and no longer as their code and inputs would make them. `force` asks for
    days that are as they should be too. `downstream` adds what is built from them.
    """

    tables: tuple[str, ...]
    first: date
    last: date
    stale: bool = False
    force: bool = False
    downstream: bool = True

    @property
    def days(self) -> list[date]:
        """The days asked for."""
        return [self.first + timedelta(days=i) for i in range((self.last - self.first).days + 1)]


@dataclass(frozen=True)
class Plan:
    """The days to build by table, in dependency order, lake before warehouse; the days that cannot be built, with the reason;
    and how many days more of a table may follow, if a dimension that it reads comes out changed."""

    work: Mapping[str, Days]
    waiting: Mapping[str, Mapping[date | None, str]] = field(default_factory=dict)
    perhaps: Mapping[str, int] = field(default_factory=dict)

    @property
    def places(self) -> set[tuple[str, date | None]]:
        """Every table and day that is to be built."""
        return {(name, day) for name, days in self.work.items() for day in days}

    def without(self, places: Collection[tuple[str, date | None]]) -> Plan:
        """The plan but for those."""
        work = {name: {d: why for d, why in days.items() if (name, d) not in places} for name, days in self.work.items()}
        return Plan({name: days for name, days in work.items() if days}, self.waiting, self.perhaps)


def reasons(days: Days) -> str:
    """Why days are built, counted: `3 older code, 12 follows`."""
    counted = Counter(days.values())
    return ", ".join(f"{number} {why}" if len(days) > 1 else why for why, number in counted.most_common())


def plan(lake: Lake, warehouse: Warehouse, request: Request) -> Plan:
    """Look at the lake as it is now. Names in the request are known ones."""
    known = lake.publications_by_day()
    named = set(request.tables)
    work: dict[str, Days] = {}
    waiting: dict[str, Mapping[date | None, str]] = {}
    perhaps: dict[str, int] = {}
    for name, table in TABLES.items():
        published = known.get(name, {})
        asked = not named or name in named
        found: Days = {}
        if asked or request.downstream:
            found = dict.fromkeys(_following(table, work, published, request), FOLLOWS)
        if asked:
            seeds, waits = _seeds(lake, table, published, request)
            # A day that waits for what this backfill builds has no need to wait.
            if (waits := {d: why for d, why in waits.items() if d not in found}) and not request.stale:
                waiting[name] = waits
            found |= seeds
        if request.downstream and table.day and any(n in work and TABLES[n].day is None for n in inputs(table)):
            perhaps[name] = sum(1 for d, p in published.items() if p.visible and d not in found)
        if found:
            work[name] = dict(sorted(found.items(), key=lambda item: item[0] or date.min))
    for table in _served():
        if loads := _loads(lake, warehouse, table, work, named, request):
            work[f"{WAREHOUSE}{table.name}"] = loads
    return Plan(work, waiting, perhaps)


def _seeds(
    lake: Lake, table: Table, published: Mapping[date | None, Publication], request: Request
) -> tuple[Days, Mapping[date | None, str]]:
    """The days of a table that was asked for, and those that cannot be built."""
    visible = {d for d, p in published.items() if p.visible}
    days = [d for d in request.days if not request.stale or d in visible]
    now = survey(lake, table, days)
    todo = [d for d in now.fingerprints if d in visible] if request.stale else list(now.fingerprints)
    if not request.force:
        todo = [d for d in todo if d not in now.unchanged]
    return {d: _why(table, published.get(d), d in now.unchanged) for d in todo}, now.waiting


def _why(table: Table, publication: Publication | None, unchanged: bool) -> str:
    if unchanged:
        return FORCED
    if publication is None or not publication.visible:
        return MISSING
    return CODE if publication.code_version != table.code_version else INPUTS


def _following(
    table: Table, work: Mapping[str, Days], published: Mapping[date | None, Publication], request: Request
) -> set[date | None]:
    """The days of a table that are built from days in the work: of those, what is published or asked for."""
    sources = [TABLES[name] for name in inputs(table) if name in work]
    reached: set[date | None] = set()
    for source in sources:
        days = {d for d in work[source.full_name] if d}
        if table.day is None:
            reached.add(None)
        elif source.day is None:
            continue  # which days see its change is known only once it is built
        elif source.full_name in table.whole:
            reached |= {*published} - {None}
        else:
            reached |= {d + timedelta(days=i) for d in days for i in range(1 if source.layer is Layer.BRONZE else table.window)}
    there = {d for d, p in published.items() if p.visible}
    return reached & (there if request.stale else there | {*request.days, None})


def _loads(
    lake: Lake, warehouse: Warehouse, table: Table, work: Mapping[str, Days], named: Collection[str], request: Request
) -> Days:
    """What the warehouse is to load: what is built, and, where it was asked for, what is published and was never loaded."""
    asked = not named or f"{WAREHOUSE}{table.name}" in named
    found: Days = dict.fromkeys(work.get(table.full_name, {}), FOLLOWS) if asked or request.downstream else {}
    if asked:
        known = lake.publications_by_day().get(table.full_name, {})
        there = [d for d, p in known.items() if p.visible and (d is None or request.first <= d <= request.last)]
        if there:
            pending = warehouse.pending(table, [d for d in there if d], lake)
            found |= {d: LOAD for d in pending if d in there and d not in found}
    return dict(sorted(found.items(), key=lambda item: item[0] or date.min))


def _served() -> Sequence[Table]:
    """The tables that the warehouse serves, dimensions first."""
    gold = [t for t in TABLES.values() if t.layer is Layer.GOLD]
    return [*(t for t in gold if not t.day), *(t for t in gold if t.day)]


def of_all(names: Iterable[str]) -> list[str]:
    """Those names of lake and warehouse tables that there are not."""
    there = {*TABLES, *(f"{WAREHOUSE}{t.name}" for t in _served())}
    return sorted(set(names) - there)
