"""The flow without Dagster, to see where the time goes: `python -m retail_lake_tests.benchmarks.phases HOME DAYS`.

Reads HOME's landing, builds a lake of its own beside it, and prints the seconds by phase as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from datetime import date, timedelta


def main() -> None:
    home, days = sys.argv[1], int(sys.argv[2])
    started = time.perf_counter()
    from retail_lake.config import Settings
    from retail_lake.engines import local_engine
    from retail_lake.lake.lake import Lake
    from retail_lake.materialize import materialize
    from retail_lake.tables import TABLES

    spent: dict[str, float] = defaultdict(float, {"import": time.perf_counter() - started})
    first = date(2017, 1, 1)
    wanted = [first + timedelta(days=i) for i in range(days)]
    with tempfile.TemporaryDirectory() as own:
        settings = Settings(home=own, landing_uri=f"{home}/landing", first_day=first, last_day=wanted[-1])  # type: ignore[arg-type]
        lake, local = Lake(settings), local_engine(settings)
        for table in TABLES.values():
            outcome = materialize(lake, local, table, wanted, run_id="benchmark")
            inside = sum(outcome.seconds.get(p, 0.0) for p in ("transform", "stage", "audit"))
            for phase in ("plan", "transform", "stage", "audit", "publish"):
                spent[phase] += outcome.seconds.get(phase, 0.0)
            spent["engine: the rest"] += outcome.seconds.get("run", 0.0) - inside
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
