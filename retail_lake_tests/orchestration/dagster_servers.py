"""A webserver and a daemon of Dagster's in processes of their own, as `retail-lake ui` starts them, and questions to them.

Belongs here: starting, asking, stopping. Does not: any expectation.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from retail_lake.config import Settings
from retail_lake.demo.serve import serve
from retail_lake.orchestration.instance import WORKSPACE_FILE, environment, project_file
from retail_lake.orchestration.run import RANGE_END, RANGE_START

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
TERMINATE = """mutation ($id: String!) { terminateRun(runId: $id) { __typename ... on TerminateRunFailure { message }
  ... on PythonError { message } } }"""

SENSORS = """query ($of: RepositorySelector!) { sensorsOrError(repositorySelector: $of) { ... on Sensors {
  results { id name } } } }"""
STOP = """mutation ($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"""


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

    def repository(self) -> dict[str, Any]:
        """The one repository of the workspace."""
        (entry,) = self.ask(LOAD)["workspaceOrError"]["locationEntries"]
        assert entry["name"] == "retail_lake"
        assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation", entry
        (repository,) = entry["locationOrLoadError"]["repositories"]
        return dict(repository)

    def stop_sensors(self, *but: str) -> None:
        """Stop all sensors but these, so that what is not asked for does not run."""
        of = {"repositoryLocationName": "retail_lake", "repositoryName": self.repository()["name"]}
        for sensor in self.ask(SENSORS, of=of)["sensorsOrError"]["results"]:
            if sensor["name"] not in but:
                told = self.ask(STOP, id=sensor["id"])["stopSensor"]
                assert told["__typename"] == "StopSensorMutationResult", told

    def launch(self, keys: Sequence[Sequence[str]], day: date, engine: str = "") -> str:
        """Launch a run of a day of these assets; returns its id."""
        return self._launch("__ASSET_JOB", keys, engine, {"dagster/partition": day})

    def launch_range(self, job: str, keys: Sequence[Sequence[str]], first: date, last: date) -> str:
        """Launch one run of a job for a range of days, as the launchpad's partition dialog does; returns its id."""
        return self._launch(job, keys, "", {RANGE_START: first, RANGE_END: last})

    def _launch(self, job: str, keys: Sequence[Sequence[str]], engine: str, days: Mapping[str, date]) -> str:
        selector = {
            "repositoryLocationName": "retail_lake",
            "repositoryName": self.repository()["name"],
            "pipelineName": job,
            "assetSelection": [{"path": list(key)} for key in keys],
        }
        launched = self.ask(
            LAUNCH,
            params={
                "selector": selector,
                "runConfigData": {"ops": {"build": {"config": {"engine": engine}}}} if engine else {},
                "mode": "default",
                "executionMetadata": {"tags": [{"key": name, "value": day.isoformat()} for name, day in days.items()]},
            },
        )["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        """Cancel a run."""
        told = self.ask(TERMINATE, id=run_id)["terminateRun"]
        assert told["__typename"] == "TerminateRunSuccess", told

    def wait_for_end(self, run_id: str) -> str:
        """The status that a run ends with."""

        def ended() -> str:
            status = self.ask(RUN, id=run_id)["runOrError"]["status"]
            return str(status) if status in ("SUCCESS", "FAILURE", "CANCELED") else ""

        return str(wait_for("the run", ended))


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


def seen_by(settings: Settings) -> dict[str, str]:
    """The environment of processes that share this process's code and the instance and days of these settings."""
    return {
        **os.environ,
        **environment(settings),
        "RETAIL_LAKE_FIRST_DAY": settings.first_day.isoformat(),
        "RETAIL_LAKE_LAST_DAY": settings.last_day.isoformat(),
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]),
    }


@contextmanager
def servers_of_the_demo(home: Path, first: date, days: int) -> Iterator[Server]:
    """Both over a lake into which these days of the demo have landed and nothing else; no sensor runs."""
    settings = Settings(home=home, first_day=first, last_day=first + timedelta(days=days - 1))
    serve(settings.landing_uri, home / "ledger", first, days)
    with dagster_servers(seen_by(settings), home, sensors=()) as running:
        yield running


@contextmanager
def dagster_servers(seen: Mapping[str, str], home: Path, sensors: Collection[str] | None = None) -> Iterator[Server]:
    """Run both over the instance that the environment `seen` names, until the end of the block; their logs are in `home`.

    `sensors` are those that run (None: all): the others are stopped before there is a daemon that could let them look.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workspace = ["-w", str(project_file(WORKSPACE_FILE))]
    told = Server(port)
    with ExitStack() as ending:

        def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
            log = ending.enter_context((home / f"{name}.log").open("wb"))
            process = subprocess.Popen([sys.executable, *arguments], env=seen, stdout=log, stderr=log, start_new_session=True)
            ending.callback(_end, process)
            return process

        webserver = start("webserver", "-m", "dagster_webserver", *workspace, "-h", "127.0.0.1", "-p", str(port))

        def up() -> Any:
            assert webserver.poll() is None, f"the webserver ended; its log is in {home}"
            return told.ask("{ version }")

        wait_for("the webserver", up)
        if sensors is not None:
            told.stop_sensors(*sensors)
        start("daemon", "-c", DAEMON, "run", *workspace)
        yield told


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
