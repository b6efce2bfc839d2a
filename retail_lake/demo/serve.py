"""Serving days of the demo: every system's deliveries written to the landing area, and the ledger beside it.

Belongs here: which dataset is served from when to when, and the counts. Does not: the deliveries themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from retail_lake.demo import crm, erp, events, ledger, marketing, promotions, source, till
from retail_lake.demo.days import FIRST_DAY, LAST_DAY
from retail_lake.demo.delivery import Delivery
from retail_lake.demo.landing import open_place
from retail_lake.failure import ConfigurationFailure

SEED = 2017


@dataclass
class Counts:
    """Of one dataset: files that lie in the landing area, how many of them were written just now, records, defects.

    `rows` counts the records of files that can be read, defective records included.
    """

    files: int = 0
    written: int = 0
    rows: int = 0
    defects: int = 0


@dataclass
class Served:
    """What was served: the arrival days from first to last, and counts by `system/dataset`."""

    first: date
    last: date
    seed: int
    datasets: dict[str, Counts] = field(default_factory=dict)

    @property
    def total(self) -> Counts:
        """The sums over all datasets."""
        counts = self.datasets.values()
        return Counts(*(sum(getattr(c, name) for c in counts) for name in ("files", "written", "rows", "defects")))


def serve(
    landing_uri: str | Path,
    ledger_dir: str | Path,
    start: date = FIRST_DAY,
    days: int = 14,
    seed: int = SEED,
    *,
    s3_endpoint: str = "",
    region: str = "us-east-1",
    progress: Callable[[str], None] = lambda message: None,
) -> Served:
    """Serve the arrival days from start. What lies there already, byte for byte, is left alone.

    Tills and redemptions are served for those days only. Master data (products, households, stores, campaigns, the
    calendar) is served from the first day of 2017, because changes mean nothing without what they change; promotions from
    the week that start lies in.

    Raises `ConfigurationFailure` for days outside 2017-01-01 to 2018-01-10.
    """
    last = start + timedelta(days=days - 1)
    if days < 1 or start < FIRST_DAY or last > LAST_DAY:
        raise ConfigurationFailure(f"{days} days from {start} cannot be served: the demo has {FIRST_DAY} to {LAST_DAY}.")
    place = open_place(landing_uri, s3_endpoint, region)
    served = Served(start, last, seed)
    for name, found in _systems(seed, start, last):
        progress(f"serving {name}")
        sent: list[Delivery] = []
        for delivery in found:
            counts = served.datasets.setdefault(delivery.dataset, Counts())
            counts.rows += delivery.rows
            counts.defects += len(delivery.defects)
            if delivery.content is not None:
                counts.files += 1
                counts.written += place.put(delivery.key, delivery.content)
            # The ledger needs the defects, and memory the content.
            sent.append(Delivery(delivery.key, delivery.arrival_day, None, delivery.rows, delivery.defects))
        ledger.write(Path(ledger_dir), sent)
    return served


def _systems(seed: int, first: date, last: date) -> Iterator[tuple[str, Iterator[Delivery]]]:
    with source.connect() as connection:
        yield "tills", till.deliveries(connection, seed, first, last)
        yield "products", erp.deliveries(connection, seed, last)
        yield "households and stores", crm.deliveries(connection, seed, last)
        yield "campaigns", marketing.campaign_deliveries(connection, last)
        yield "campaign calendar", marketing.calendar_deliveries(connection, last)
        yield "redemptions", events.deliveries(seed, first, last)
        yield "promotions", promotions.deliveries(connection, seed, first, last)
