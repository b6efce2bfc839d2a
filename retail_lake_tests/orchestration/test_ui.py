"""The real webserver and daemon over the real tables: the workspace loads, a day is materialized, a backfill completes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from retail_lake.config import Settings
from retail_lake.demo.serve import serve
from retail_lake.orchestration.instance import WORKSPACE_FILE, environment, project_file

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 2)
KEYS = [["bronze", "redemptions"], ["silver", "redemptions"]]
WAIT_SECONDS = 120

# The daemon as it is, but that it looks for backfills every second and not every half minute, which nothing can set.
DAEMON = """
import dagster._daemon.controller as controller
from dagster._daemon.cli import main
controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 1
main()
"""
LOAD = """{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError {
  __typename ... on PythonError { message }
  ... on RepositoryLocation { repositories { name assetNodes { assetKey { path } groupName isPartitioned } } } } } } } }"""
LAUNCH = """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
RUN = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""
BACKFILL = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILLED = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { __typename
  ... on PartitionBackfill { status error { message } runs(limit: 9) { id status } } ... on PythonError { message } } }"""
LATEST = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  partitionKeyConnection(limit: 120, ascending: false) { results } } } }"""
DAYS = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetPartitionStatuses { ... on TimePartitionStatuses { ranges { status startKey endKey } } }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
  assetMaterializations(limit: 9) { partition metadataEntries { label } } } } }"""


class Server:
    """A webserver to ask."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        assert "errors" not in told, told["errors"]
        return told["data"]


def wait_for(what: str, found: Callable[[], Any]) -> Any:
    """Ask until there is an answer."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        try:
            if answer := found():
                return answer
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"waited {WAIT_SECONDS} s for {what}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, first_day=FIRST, last_day=LAST)
    serve(settings.landing_uri, home / "ledger", FIRST, 2)
    seen = {
        **os.environ,
        **environment(settings),
        "RETAIL_LAKE_FIRST_DAY": FIRST.isoformat(),
        "RETAIL_LAKE_LAST_DAY": LAST.isoformat(),
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workspace = ["-w", str(project_file(WORKSPACE_FILE))]
    commands = (
        ["-m", "dagster_webserver", *workspace, "-h", "127.0.0.1", "-p", str(port)],
        ["-c", DAEMON, "run", *workspace],
    )
    processes: list[subprocess.Popen[bytes]] = []
    with ExitStack() as ending:
        for number, arguments in enumerate(commands):
            log = ending.enter_context((home / f"{number}.log").open("wb"))
            process = subprocess.Popen([sys.executable, *arguments], env=seen, stdout=log, stderr=log, start_new_session=True)
            processes.append(process)
            ending.callback(_end, process)
        told = Server(port)

        def up() -> Any:
            ended = [p.args for p in processes if p.poll() is not None]
            assert not ended, f"{ended} ended; its log is in {home}"
            return told.ask("{ version }")

        wait_for("the webserver", up)
        yield told


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _repository(server: Server) -> dict[str, Any]:
    (entry,) = server.ask(LOAD)["workspaceOrError"]["locationEntries"]
    assert entry["name"] == "retail_lake"
    assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation", entry
    (repository,) = entry["locationOrLoadError"]["repositories"]
    return dict(repository)


def _days(server: Server, key: list[str]) -> dict[str, Any]:
    return dict(server.ask(DAYS, key={"path": key})["assetNodeOrError"])


def test_the_workspace_loads_grouped_by_layer(server: Server) -> None:
    nodes = _repository(server)["assetNodes"]
    groups = {n["groupName"] for n in nodes}
    assert groups == {"landing", "bronze", "silver", "gold", "warehouse"}
    assert all(n["groupName"] == n["assetKey"]["path"][0] for n in nodes)


def test_the_days_to_plot_are_those_of_the_lake(server: Server) -> None:
    asked = server.ask(LATEST, key={"path": KEYS[0]})["assetNodeOrError"]["partitionKeyConnection"]
    assert asked["results"] == [LAST.isoformat(), FIRST.isoformat()]


def test_a_day_is_materialized(server: Server) -> None:
    selector = {
        "repositoryLocationName": "retail_lake",
        "repositoryName": _repository(server)["name"],
        "pipelineName": "__ASSET_JOB",
        "assetSelection": [{"path": key} for key in KEYS],
    }
    launched = server.ask(
        LAUNCH,
        params={
            "selector": selector,
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": FIRST.isoformat()}]},
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    def ended() -> str:
        status = server.ask(RUN, id=run_id)["runOrError"]["status"]
        return str(status) if status in ("SUCCESS", "FAILURE", "CANCELED") else ""

    assert wait_for("the run", ended) == "SUCCESS"
    for key in KEYS:
        told = _days(server, key)
        assert told["assetPartitionStatuses"]["ranges"] == [
            {"status": "MATERIALIZED", "startKey": FIRST.isoformat(), "endKey": FIRST.isoformat()}
        ]
        assert [m["partition"] for m in told["assetMaterializations"]] == [FIRST.isoformat()]
        assert "dagster/row_count" in {e["label"] for e in told["assetMaterializations"][0]["metadataEntries"]}
        checks = {c["name"] for c in told["assetChecksOrError"]["checks"]}
        assert {"day", "conservation"} <= checks


def test_a_backfill_of_days_completes(server: Server) -> None:
    launched = server.ask(
        BACKFILL,
        params={
            "partitionNames": [FIRST.isoformat(), LAST.isoformat()],
            "assetSelection": [{"path": key} for key in KEYS],
            "tags": [],
        },
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended() -> dict[str, Any] | None:
        told = server.ask(BACKFILLED, id=launched["backfillId"])["partitionBackfillOrError"]
        assert not told.get("error"), told
        return dict(told) if told["status"] not in ("REQUESTED", "FAILING") else None

    told = wait_for("the backfill", ended)
    assert told["status"] == "COMPLETED_SUCCESS", told
    assert [run["status"] for run in told["runs"]] == ["SUCCESS"], "one run takes the whole range"
    for key in KEYS:
        assert _days(server, key)["assetPartitionStatuses"]["ranges"] == [
            {"status": "MATERIALIZED", "startKey": FIRST.isoformat(), "endKey": LAST.isoformat()}
        ]
