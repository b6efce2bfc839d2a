"""A run whose process was killed begins again by itself; one whose step failed does not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from retail_lake_tests.orchestration.dagster_servers import Server, servers_of_the_demo, wait_for

pytestmark = pytest.mark.full

DAY = date(2017, 1, 1)
KEYS = [["bronze", "redemptions"], ["silver", "redemptions"]]
RUNS = """{ runsOrError(limit: 9) { ... on Runs { results { runId status parentRunId tags { key value } } } } }"""
LOGS = """query ($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename
  ... on MessageEvent { message } } } } }"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers_of_the_demo(tmp_path_factory.mktemp("home"), DAY, 1) as running:
        yield running


def runs(server: Server) -> list[dict[str, Any]]:
    return list(server.ask(RUNS)["runsOrError"]["results"])


def process_of(server: Server, run_id: str) -> int:
    """The process that a run's step is in: it says so when it begins."""

    def found() -> int:
        events = server.ask(LOGS, id=run_id)["logsForRun"]["events"]
        said = [e["message"] for e in events if e["__typename"] == "EngineEvent" and "pid: " in e.get("message", "")]
        started = any(e["__typename"] == "ExecutionStepStartEvent" for e in events)
        return int(said[-1].split("pid: ")[1].split(")")[0]) if said and started else 0

    return int(wait_for("the run's process", found))


def test_a_killed_run_begins_again_and_succeeds(server: Server) -> None:
    first = server.launch(KEYS, DAY)
    os.kill(process_of(server, first), signal.SIGKILL)
    assert server.wait_for_end(first) == "FAILURE"
    again = wait_for("the run after it", lambda: next((r for r in runs(server) if r["parentRunId"] == first), None))
    assert server.wait_for_end(again["runId"]) == "SUCCESS"
    (killed,) = (r for r in runs(server) if r["runId"] == first)
    assert not [t for t in killed["tags"] if t["key"] == "retail-lake/failure"], "who dies has no last word"


def test_a_wrong_configuration_is_one_run(server: Server) -> None:
    before = len(runs(server))
    failed = server.launch(KEYS, DAY, engine="emrr")
    assert server.wait_for_end(failed) == "FAILURE"
    (run,) = (r for r in runs(server) if r["runId"] == failed)
    tags = {t["key"]: t["value"] for t in run["tags"]}
    assert tags["retail-lake/failure"] == "configuration" and tags["dagster/will_retry"] == "false"
    assert len(runs(server)) == before + 1
