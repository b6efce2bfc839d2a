"""What a look at arrivals costs: `python -m retail_lake_tests.benchmarks.arrivals`.

100,000 messages in the queue, then a landing of a million keys. The queue and the listing stand in memory, so that what is
measured is the project's own work: reading messages, the book on a local disk, deciding. Each is a process of its own; prints as
JSON seconds and megabytes by name.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from retail_lake.arrivals import queue
from retail_lake.arrivals.tick import Cursor, Looked, Tick
from retail_lake.arrivals.waiting import load
from retail_lake.config import Settings
from retail_lake.contract import Landing, Table
from retail_lake.storage import Stored
from retail_lake_tests.arrivals.world import message, record, table

EVENTS = 100_000
DATASETS, DAYS, KEYS_A_DAY = 8, 365, 343
"""A million keys."""
FIRST = date(2017, 1, 1)
NOW = datetime(2018, 6, 1, tzinfo=UTC)
TABLES: list[Table] = [
    table(Landing(f"s{n}", "d", r"(?P<arrival>\d{4}-\d{2}-\d{2})/(?P<part>[\w-]+)\.csv", "csv_files"), f"d{n}")
    for n in range(DATASETS)
]


class Sqs:
    """A queue of messages, whose calls take no time."""

    def __init__(self, bodies: list[str]) -> None:
        self.waiting, self.taken, self.lock = deque(enumerate(bodies)), set[str](), threading.Lock()

    def receive_message(self, **_: Any) -> dict[str, Any]:
        with self.lock:
            some = [self.waiting.popleft() for _ in range(min(10, len(self.waiting)))]
            self.taken |= {str(n) for n, _ in some}
        return {"Messages": [{"MessageId": str(n), "ReceiptHandle": str(n), "Body": body} for n, body in some]}

    def delete_message_batch(self, *, Entries: list[dict[str, str]], **_: Any) -> None:
        with self.lock:
            self.taken -= {entry["ReceiptHandle"] for entry in Entries}


class Keys:
    """A landing of `DATASETS` datasets with `KEYS_A_DAY` files a day, none of which is there; so many, or none at all."""

    def __init__(self, a_day: int = KEYS_A_DAY) -> None:
        self.a_day = a_day

    def level(self, folder: str) -> tuple[list[Stored], list[str]]:
        return [], [str(FIRST + timedelta(days=n)) for n in range(DAYS if self.a_day else 0)]

    def below(self, folder: str) -> list[Stored]:
        written = datetime.combine(date.fromisoformat(folder.rpartition("/")[2]), datetime.min.time())
        day = folder.rpartition("/")[2]
        return [Stored(f"part-{day}-{n:05d}.csv", 1000, written) for n in range(self.a_day)]


class Spent(NamedTuple):
    """Seconds of one look: of the clock, and of the processor, which a busy machine changes less."""

    clock: float
    processor: float


def looks(settings: Settings, lister: Keys, until: Callable[[Looked, Settings], bool]) -> list[Spent]:
    """What looks take, one after another as a daemon would have them, each request becoming a run."""
    runs: set[str] = set()
    tick = Tick(settings, TABLES, lambda: NOW, runs.__contains__, lambda _: None, lambda: lambda *_, **__: set(), lister)
    cursor, spent = Cursor(), []
    while True:
        clock, processor = time.perf_counter(), time.process_time()
        looked = tick.look(cursor)
        spent.append(Spent(time.perf_counter() - clock, time.process_time() - processor))
        cursor = looked.cursor
        if until(looked, settings):
            return spent
        runs |= {request.key for request in looked.requests}


def settled(looked: Looked, settings: Settings) -> bool:
    """Everything was listed, and asked for."""
    waiting = load(settings)
    return all(reach.whole for reach in waiting.reach.values()) and not looked.requests and not any(waiting.days.values())


def events(home: Path) -> dict[str, float]:
    """The queue emptied."""
    keys = (f"s{n % DATASETS}/d/{FIRST + timedelta(days=n % DAYS)}/part-{n:06d}.csv" for n in range(EVENTS))
    sqs = Sqs([message(record(f"retail/{key}", version=f"v{n}", sequencer=f"{n:X}")) for n, key in enumerate(keys)])
    queue.client = lambda *_, **__: sqs  # type: ignore[assignment]
    settings = Settings(home=home, first_day=FIRST, last_day=date(2017, 12, 31), settle_seconds=0,
                        landing_uri="s3://landing/retail", arrival_queue="queue")  # fmt: skip
    before = megabytes()
    spent = looks(settings, Keys(0), lambda *_: not sqs.waiting)
    assert not sqs.taken, "messages were taken and not deleted"
    return {
        "100,000 events: looks": len(spent),
        **in_sum("100,000 events", spent),
        "100,000 events: memory besides the messages, MB": megabytes() - before,
    }


def keys(home: Path) -> dict[str, float]:
    """The million listed for the first time, and looked at again."""
    settings = Settings(home=home, first_day=FIRST, last_day=date(2017, 12, 31), settle_seconds=0)
    before = megabytes()
    first = looks(settings, Keys(), settled)
    peak = megabytes()
    again = looks(settings, Keys(), lambda *_: True)
    return {
        "1,000,000 keys: looks until all is asked for": len(first),
        **in_sum("1,000,000 keys", first),
        "1,000,000 keys: a look when nothing is new, s": again[0].clock,
        "1,000,000 keys: the same, of the processor, s": again[0].processor,
        "1,000,000 keys: memory, MB": peak - before,
    }


def in_sum(what: str, spent: list[Spent]) -> dict[str, float]:
    """All looks and the longest."""
    return {
        f"{what}: all looks, s": sum(each.clock for each in spent),
        f"{what}: all looks, of the processor, s": sum(each.processor for each in spent),
        f"{what}: longest look, s": max(each.clock for each in spent),
        f"{what}: longest look, of the processor, s": max(each.processor for each in spent),
    }


def megabytes() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024)


def main() -> None:
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as home:
            print(json.dumps({"events": events, "keys": keys}[sys.argv[1]](Path(home))))
        return
    found: dict[str, float] = {}
    for what in ("events", "keys"):
        told = subprocess.run([sys.executable, "-m", __spec__.name, what], check=True, capture_output=True, text=True).stdout
        found |= json.loads(told.splitlines()[-1])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
