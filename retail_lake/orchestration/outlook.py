"""Looking out for what is due: once for each change of what is published, and the same for all who ask in one tick.

Belongs here: when to look, and what is remembered between two looks. Does not: what follows from what is seen (`due.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

from retail_lake.contract import Layer
from retail_lake.orchestration.due import Day, Due, Fingerprints, Running

if TYPE_CHECKING:
    from retail_lake.config import Settings
    from retail_lake.lake.lake import Lake
    from retail_lake.lake.publications import Publication
    from retail_lake.orchestration.graph import Graph


class Surveyed(NamedTuple):
    """What the lake shows by table and day: what changed inputs would give, and what is published. See `Due`."""

    changed: Mapping[str, Fingerprints]
    published: Mapping[str, Fingerprints]


class Outlook:
    """What is due, for the sensors and conditions of one code location. `survey` is asked at each look."""

    def __init__(self, graph: Graph, survey: Callable[[], Surveyed] | None = None) -> None:
        self.graph = graph
        self._survey = survey or LakeSurvey(graph)
        self._asked: dict[str, Fingerprints] = {}
        self._last: tuple[object, Due | None] = (None, None)
        self._looking = threading.RLock()

    def look(self, running: Callable[[], Running], moment: object = None) -> Due:
        """What is due now. Whoever comes again with the same `moment`, if it is not None, sees what was seen then."""
        with self._looking:
            before, seen = self._last
            if seen is not None and moment is not None and moment == before:
                return seen
            under_way = running()  # first: what ends after this is still seen as under way, and not as due
            due = Due(self.graph, *self._survey(), under_way, dict(self._asked))
            if moment is not None:
                self._last = (moment, due)
            return due

    def remember(self, name: str, asked: Fingerprints) -> None:
        """Keep in mind which days of a table were asked for, and with what: others need not wait for them in vain."""
        self._asked[name] = asked


class LakeSurvey:
    """Surveys the lake when its publications are others than the last time, which costs as much as one read of a table."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: Mapping[str, Mapping[Day, Publication]] | None = None
        self._found = Surveyed({}, {})

    @cached_property
    def _lake(self) -> Lake:
        from retail_lake.lake.lake import Lake

        return Lake(self._graph.settings)

    def __call__(self) -> Surveyed:
        from retail_lake.lake.plan import changed_inputs

        known = self._lake.publications_by_day()
        if known is not self._known:  # it is another one when anything was published
            still = cast("Lake", _Still(self._graph.settings, known))
            tables = [t for t in self._graph.tables.values() if t.layer is not Layer.BRONZE]
            changed = {t.full_name: changed_inputs(still, t, self._graph.settings.days) for t in tables}
            published = {name: {d: p.fingerprint for d, p in days.items() if p.visible} for name, days in known.items()}
            self._known, self._found = known, Surveyed(changed, published)
        return self._found


@dataclass(frozen=True)
class _Still:
    """A lake that stands still, as far as it is surveyed: all tables see the same publications, and those are read once."""

    settings: Settings
    known: Mapping[str, Mapping[Day, Publication]]

    def publications_by_day(self) -> Mapping[str, Mapping[Day, Publication]]:
        """See `Lake.publications_by_day`."""
        return self.known
