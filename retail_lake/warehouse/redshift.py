"""The warehouse on AWS: Redshift, loaded by its own COPY from the lake's published Parquet files.

Belongs here: the order of looking, deciding and writing. Does not: the statements (`redshift_load.py`, `redshift_schema.py`),
or how they get there (`data_api.py`).
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Sequence
from datetime import date
from functools import cached_property, partial
from typing import Any, Final

from retail_lake.aws import client
from retail_lake.config import Settings
from retail_lake.contract import Table
from retail_lake.failure import refuse_together
from retail_lake.storage import write_bytes
from retail_lake.warehouse.base import LoadOutcome, PublishedFiles
from retail_lake.warehouse.data_api import STATEMENTS, DataApi, Statement
from retail_lake.warehouse.manifest import alike
from retail_lake.warehouse.published import Entry, Ledger, Load, Pinned, pin
from retail_lake.warehouse.redshift_errors import Overtaken
from retail_lake.warehouse.redshift_load import Copied, parameters, statements
from retail_lake.warehouse.redshift_schema import Place, all_stored, check_stored, missing, place_of, stored

ATTEMPTS: Final = 5
"""How often a load looks again after another writer came first."""
FIRST_PAUSE: Final = 1.0
"""Seconds before it does, at most; twice as many each time."""


class RedshiftWarehouse:
    """The schema `settings.redshift_schema` of one database, and beside it the schema of the ledgers.

    Nothing is kept between calls but the connection to AWS: several processes may use the warehouse at once.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def _connection(self) -> Any:
        return client("redshift-data", self.settings)

    def check(self, tables: Sequence[Table]) -> None:
        """See `Warehouse.check`."""
        places = [place_of(table, self.settings) for table in tables]
        found = all_stored(DataApi(self.settings, "retail-lake check", self._connection), places)
        refuse_together(
            partial(check_stored, table, found[place.name].get(place.gold)) for table, place in zip(tables, places, strict=True)
        )

    def load(self, table: Table, days: Sequence[date] | None, lake: PublishedFiles, *, run_id: str) -> LoadOutcome:
        """See `Warehouse.load`. A load that another one overtook looks again: what that one loaded is not loaded twice."""
        start = time.monotonic()
        pinned = pin(table, days, lake)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                todo, total, seconds = self._attempt(pinned, run_id)
                return todo.outcome(total_rows=total, seconds=time.monotonic() - start, server_seconds=seconds)
            except Overtaken:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(random.uniform(0, FIRST_PAUSE * 2 ** (attempt - 1)))
        raise AssertionError("unreachable")

    def pending(self, table: Table, days: Sequence[date] | None, lake: PublishedFiles) -> list[date | None]:
        """See `Warehouse.pending`."""
        pinned, place, api = pin(table, days, lake), place_of(table, self.settings), self._api(table, "pending")
        there = stored(api, place)
        known = _ledger(api, place) if place.loads in there and there[place.loads].types else {}
        return list(pinned.against(known).changed)

    def drop(self, table: Table) -> None:
        """See `Warehouse.drop`."""
        place, api = place_of(table, self.settings), self._api(table, "drop")
        there = stored(api, place)
        known = ((place.loads, place.ledger), (place.gold, place.table))
        gone = [Statement(f"DROP TABLE {address}") for schema, address in known if schema in there and there[schema].types]
        if gone:
            api.transaction(gone)

    def _api(self, table: Table, run_id: str) -> DataApi:
        return DataApi(self.settings, f"retail-lake {table.name} run={run_id}", self._connection)

    def _attempt(self, pinned: Pinned, run_id: str) -> tuple[Load, int, float]:
        """Look, decide, write: what was to do, the table's rows afterwards, and the seconds that Redshift says it took."""
        table, place, api = pinned.table, place_of(pinned.table, self.settings), self._api(pinned.table, run_id)
        ddl = missing(table, place, stored(api, place))
        for begin in range(0, len(ddl), STATEMENTS):
            api.transaction(ddl[begin : begin + STATEMENTS])
        known = _ledger(api, place)
        todo = pinned.against(known)
        if not todo.changed:
            return todo, int(api.query(f"SELECT count(*) FROM {place.table}").rows[0][0]), 0.0
        batch = statements(todo, known, self._manifests(todo), place, self.settings.redshift_role)
        ended = api.transaction(batch, parameters(run_id))
        return todo, int(api.rows(f"{ended.id}:{ended.statements}").rows[0][0]), ended.seconds

    def _manifests(self, load: Load) -> list[Copied]:
        """The files to copy, listed where Redshift can read it. What is left there by a load is swept with its jobs."""
        folder = f"{self.settings.artifacts_uri}/jobs/load-{uuid.uuid4().hex[:12]}"
        files = [f for now in load.changed.values() for f in now.files]
        copied = []
        for number, group in enumerate(alike(load.table, files, self.settings), 1):
            uri = f"{folder}/manifest-{number}.json"
            write_bytes(uri, group.manifest(), self.settings)
            copied.append(Copied(group, uri))
        return copied


def _ledger(api: DataApi, place: Place) -> Ledger:
    found = api.query(f'SELECT "day", "files", "rows" FROM {place.ledger}')
    return {day: Entry(digest, rows) for day, digest, rows in found.rows}
