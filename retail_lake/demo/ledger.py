"""The ledger: every defect that was served, beside the landing area, where the pipeline never looks.

Belongs here: writing and reading it, one JSON-lines file per arrival day and dataset. Does not: making defects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from pathlib import Path

from retail_lake.demo.delivery import Defect, Delivery, Effect
from retail_lake.demo.landing import LocalFolder


def write(folder: Path, deliveries: Iterable[Delivery]) -> None:
    """Write the defects of all deliveries of one dataset as `<arrival day>/<system>-<dataset>.jsonl`."""
    by_file: dict[str, list[str]] = {}
    for delivery in deliveries:
        name = f"{delivery.arrival_day}/{delivery.dataset.replace('/', '-')}.jsonl"
        entries = by_file.setdefault(name, [])
        entries += [json.dumps(asdict(defect), ensure_ascii=False, default=str) + "\n" for defect in delivery.defects]
    target = LocalFolder(folder)
    for name, entries in by_file.items():
        if entries:
            target.put(name, "".join(entries).encode())


def read(folder: Path) -> dict[date, list[Defect]]:
    """All entries by arrival day, in the order they were written."""
    found: dict[date, list[Defect]] = {}
    for path in sorted(folder.glob("*/*.jsonl")):
        entries = found.setdefault(date.fromisoformat(path.parent.name), [])
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = json.loads(line)
            fields["effect"] = Effect(fields["effect"])
            fields["corrected_on"] = fields["corrected_on"] and date.fromisoformat(fields["corrected_on"])
            entries.append(Defect(**fields))
    return found
