"""Whether the UI stays quick with a year of every table: `python -m retail_lake_tests.benchmarks.ui [--days N] [--keep DIR]`.

Stores what building the year tells Dagster, month by month, with a blocked day now and then and a month of single-day runs after
it; the work itself is left out. Then asks a webserver of its own what the pages of the UI ask, in the words of the installed
UI, and prints as JSON the seconds of the slowest of three answers, by page and query, after a first one that warms it up.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

FIRST = date(2017, 1, 1)
SINGLE_DAYS = 30
TIMES = 3
_DEFINITION = re.compile(r"\b(query|fragment) (\w+)\s*(?:\([^)]*\)\s*)?(?:on \w+\s*)?\{")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m retail_lake_tests.benchmarks.ui", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365, help="length of the history (default: the year)")
    parser.add_argument("--keep", type=Path, help="store it here, or use what an earlier time has stored here")
    chosen = parser.parse_args()
    with ExitStack() as ending:
        home = chosen.keep or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="retail_lake_ui_")))
        found: dict[str, float] = {}
        if not (home / "dagster").exists():
            home.mkdir(parents=True, exist_ok=True)
            started = time.perf_counter()
            store(home, chosen.days)
            found["storing the history"] = time.perf_counter() - started
        found |= ask(home, chosen.days)
    print(json.dumps(found))


def _settings(home: Path, days: int) -> Any:
    from retail_lake.config import Settings

    return Settings(home=home, first_day=FIRST, last_day=FIRST + timedelta(days=days - 1))


def store(home: Path, days: int) -> None:
    """What a history of that length tells Dagster."""
    from retail_lake.orchestration.run import materialize_range
    from retail_lake.tables import TABLES, inputs
    from retail_lake_tests.orchestration.fakes import FakeFlow, fake_definitions

    settings = _settings(home, days)
    last = settings.last_day
    blocked = {("silver.sales", FIRST + timedelta(days=n)) for n in range(40, days, 97)}
    reads = {name: tuple(i for i in inputs(t) if i in TABLES) for name, t in TABLES.items()}
    definitions = fake_definitions(settings, FakeFlow(blocked=set(blocked)), dict(TABLES), reads)
    ranges = [(day, min(last, day + timedelta(days=29))) for day in settings.days[::30]]
    ranges += [(day, day) for day in settings.days[-SINGLE_DAYS:]]
    for first, until in ranges:
        materialize_range(None, first, until, settings=settings, definitions=definitions, progress=lambda _: None)
        sys.stderr.write(f"stored {first} to {until}\n")


def ask(home: Path, days: int) -> dict[str, float]:
    """The seconds of the slowest answer to each of the UI's queries, and the megabytes of the largest answer."""
    from retail_lake_tests.orchestration.dagster_servers import dagster_servers, seen_by

    settings = _settings(home, days)
    slowest: dict[str, float] = {}
    largest = 0
    with dagster_servers(seen_by(settings), home) as server:
        server.repository()  # the code server has started
        for page, query, variables in pages(settings, server):
            text = document(query)
            took = []
            for _ in range(TIMES + 1):
                started = time.perf_counter()
                answer = server.ask(text, **variables)
                took.append(time.perf_counter() - started)
            _assert_answered(query, answer)
            largest = max(largest, len(json.dumps(answer)))
            slowest[f"{page}: {query}"] = round(max(took[1:]), 3)
    return {**slowest, "largest answer, MB": round(largest / 1e6, 1), "slowest": max(slowest.values())}


def _assert_answered(query: str, answer: Mapping[str, Any]) -> None:
    """An error of the server is an answer of another type, which would be quick."""
    for name, value in answer.items():
        kind = value.get("__typename", "") if isinstance(value, dict) else ""
        assert "Error" not in kind and "NotFound" not in kind, f"{query}: {name} is {value}"


def pages(settings: Any, server: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Page, query and variables, as the UI would have them for a table with many checks, a day, a month's run."""
    from retail_lake.orchestration.instance import open_instance

    keys = [{"path": node["assetKey"]["path"]} for node in server.repository()["assetNodes"]]
    sales, day = {"path": ["silver", "sales"]}, (settings.last_day - timedelta(days=3)).isoformat()
    with open_instance(settings) as instance:
        runs = instance.get_runs()
    month, single = runs[-2].run_id, runs[0].run_id
    many_days = [d.isoformat() for d in settings.days]
    yield "every page", "LocationWorkspaceAssetsQuery", {"name": "retail_lake"}
    for query in ("AssetGraphLiveQuery", "AssetStaleStatusQuery", "AssetHealthQuery", "AssetsFreshnessInfoQuery"):
        yield "asset graph, all tables", query, {"assetKeys": keys}
    yield "catalog", "AssetCatalogTableQuery", {"limit": 1000}
    yield "catalog", "AssetRecordsQuery", {"limit": 1000}
    for query in ("AssetViewDefinitionQuery", "PartitionHealthQuery", "AssetOverviewMetadataEventsQuery", "SidebarAssetQuery"):
        yield "a table", query, {"assetKey": sales}
    yield "a table, its plots", "LatestAssetPartitionsQuery", {"assetKey": sales, "limit": 120}
    yield "a table, its events", "RecentAssetEventsQuery", {
        "assetKey": sales, "limit": 100, "eventTypeSelectors": ["MATERIALIZATION", "FAILED_TO_MATERIALIZE", "OBSERVATION"],
    }  # fmt: skip
    for query in ("AssetPartitionDetailQuery", "AssetPartitionStaleQuery"):
        yield "a day of a table", query, {"assetKey": sales, "partitionKey": day}
    yield "checks", "AssetChecksQuery", {"assetKey": sales}
    yield "checks, day by day", "AssetCheckPartitionHealthQuery", {"assetKey": sales, "checkName": "day"}
    yield "a check", "AssetCheckDetailsQuery", {"assetKey": sales, "checkName": "day", "limit": 25}
    yield "backfill of all tables", "LaunchAssetLoaderQuery", {"assetKeys": keys}
    yield "backfill of all tables", "BackfillPreviewQuery", {"partitionNames": many_days, "assetKeys": keys}
    yield "runs", "RunsFeedRootQuery", {"limit": 30, "view": "ROOTS"}
    since = time.time() - 86400
    yield "overview", "CompletedRunTimelineQuery", {
        "limit": 200, "completedFilter": {"statuses": ["FAILURE", "SUCCESS", "CANCELED"], "updatedAfter": since},
    }  # fmt: skip
    for run_id, whose in ((month, "a month's run"), (single, "a day's run")):
        for query in ("RunRootQuery", "RunAssetsQuery", "RunStatsQuery"):
            yield whose, query, {"runId": run_id}
        yield f"{whose}, its log", "RunLogsQuery", {"runId": run_id, "limit": 1000}


def document(query: str) -> str:
    """The query with the fragments that it uses, as the UI sends it."""
    parts, wanted, found = _definitions(), [query], dict[str, str]()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = parts[name]
            wanted += re.findall(r"\.\.\.\s*(\w+)(?<!\bon)\s", parts[name])
    return "\n".join(found.values())


@cache
def _definitions() -> dict[str, str]:
    """Every query and fragment in the scripts of the installed UI, by name."""
    import dagster_webserver

    found: dict[str, str] = {}
    scripts = Path(dagster_webserver.__file__).parent / "webapp" / "build" / "_next" / "static" / "chunks"
    for script in sorted(scripts.rglob("*.js")):
        text = script.read_text(encoding="utf-8", errors="replace").replace("\\n", "\n").replace('\\"', '"')
        for start in _DEFINITION.finditer(text):
            if (end := _closing(text, start.end())) is not None:
                found.setdefault(start[2], text[start.start() : end])
    return found


def _closing(text: str, at: int) -> int | None:
    depth = 1
    for place in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    return None


if __name__ == "__main__":
    main()
