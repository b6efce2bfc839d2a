"""`retail-lake ui` as a user runs it: the workspace loads, `build_days` builds two days, and Ctrl-C ends all that it started."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import duckdb
import pytest

from retail_lake.config import Settings
from retail_lake.lake.lake import Lake
from retail_lake.orchestration.run import RANGE_END, RANGE_START
from retail_lake_tests.aws.processes import Process, Program
from retail_lake_tests.cli.conftest import _STORES
from retail_lake_tests.orchestration.dagster_servers import LAUNCH, Server, wait_for

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 2)
KEYS = (("bronze", "crm_stores"), ("silver", "stores"), ("gold", "dim_store"), ("warehouse", "dim_store"))
COMMAND = (sys.executable, "-c", "from retail_lake.cli import main; main()", "ui", "--port")


@contextmanager
def ui(home: Path) -> Iterator[tuple[Process, Server]]:
    """The command over that home, until the end of the block; no sensor asks for a run meanwhile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "RETAIL_LAKE_HOME": str(home),
        "RETAIL_LAKE_FIRST_DAY": str(FIRST),
        "RETAIL_LAKE_LAST_DAY": str(LAST),
        "RETAIL_LAKE_SETTLE_SECONDS": "3600",
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]),
    }
    process = Process(Program((*COMMAND, str(port)), home, environment))
    try:
        yield process, Server(port)
    finally:
        process.kill()
        for left in started_over(home):
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)


def started_over(home: Path) -> list[int]:
    """The processes that have this home, in whatever session they are; on a system without /proc they cannot be found."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"RETAIL_LAKE_HOME={home}".encode() in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
    return found


@pytest.mark.full
def test_two_days_are_built_from_the_ui_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    for day in (FIRST, LAST):
        landed = tmp_path / "landing" / "crm" / "stores" / str(day) / f"stores_{day:%Y%m%d}_v1.parquet"
        landed.parent.mkdir(parents=True)
        duckdb.sql(_STORES.format(path=landed))
    with ui(tmp_path) as (process, server):
        wait_for("the web server", lambda: server.ask("{ version }"))
        selector = {
            "repositoryLocationName": "retail_lake",
            "repositoryName": server.repository()["name"],
            "pipelineName": "build_days",
            "assetSelection": [{"path": list(key)} for key in KEYS],
        }
        days = [{"key": RANGE_START, "value": str(FIRST)}, {"key": RANGE_END, "value": str(LAST)}]
        asked = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": days}}
        launched = server.ask(LAUNCH, params=asked)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        assert server.wait_for_end(launched["run"]["runId"]) == "SUCCESS"
        lake = Lake(Settings(home=tmp_path, first_day=FIRST, last_day=LAST))
        # Two stores are good on each day, the third has no id.
        assert sorted((p.day, p.rows, p.quarantined) for p in lake.publications("silver.stores")) == [(FIRST, 2, 1), (LAST, 2, 1)]
        with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as warehouse:
            assert warehouse.execute("SELECT count(DISTINCT store_id) FROM dim_store WHERE store_id > 0").fetchall() == [(2,)]

        assert len(started_over(tmp_path)) > 1
        # As a terminal does it: the signal goes to all of them.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) is not None, "it did not end"
        wait_for("what it started", lambda: not started_over(tmp_path))
        assert not process.alive()
