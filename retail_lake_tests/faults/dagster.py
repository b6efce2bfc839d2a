"""Dagster's daemon and webserver over a world, as `retail-lake ui` starts them, each to be killed and started on its own.

Belongs here: their processes, and those of the runs that the daemon starts. Does not: which of them is killed, and when.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import Final

from retail_lake.orchestration.failed import FAILURE_TAG
from retail_lake.orchestration.instance import WORKSPACE_FILE, environment, open_instance, project_file
from retail_lake_tests.faults.processes import Process, members
from retail_lake_tests.faults.world import World
from retail_lake_tests.orchestration.dagster_servers import DAEMON, Server, wait_for

DAEMON_NAME: Final = "daemon"
WEBSERVER_NAME: Final = "webserver"
_WORKER: Final = "spawn_main"
"""What a run that the daemon launched looks like among processes."""
_SAID: Final = 400
"""How much is told of what a run or a sensor said last."""


class Dagster:
    """Both servers. They share a process group each with what they start."""

    def __init__(self, world: World) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        workspace = ["-w", str(project_file(WORKSPACE_FILE))]
        self._world = world
        self._seen = {**os.environ, **world.environment, **environment(world.settings)}
        self._commands = {
            DAEMON_NAME: ["-c", DAEMON, "run", *workspace],
            WEBSERVER_NAME: ["-m", "dagster_webserver", *workspace, "-h", "127.0.0.1", "-p", str(port)],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.server = Server(port)
        self.restart()
        wait_for("the webserver", lambda: self.server.ask("{ version }"))
        self.server.repository()

    def restart(self) -> None:
        """Start whatever does not run."""
        for name, arguments in self._commands.items():
            if name not in self._processes or self._processes[name].poll() is not None:
                with (self._world.folder / f"{name}.log").open("ab") as log:
                    self._processes[name] = subprocess.Popen(
                        [sys.executable, *arguments], env=self._seen, stdout=log, stderr=log, start_new_session=True
                    )
                self._world.groups.add(self._processes[name].pid)

    def kill(self, name: str) -> None:
        """End a server with SIGKILL. Its code server finds out by itself, and runs that go on go on."""
        assert self._processes[name].poll() is None, f"the {name} has ended by itself"
        self._processes[name].kill()
        self._processes[name].wait()

    def runs(self) -> list[Process]:
        """The processes of the runs that go on."""
        return [each for each in members(self._world.groups) if _WORKER in each.command]

    def unfinished(self) -> set[str]:
        """The runs that, by what is on record, go on."""
        from dagster import DagsterRunStatus, RunsFilter

        begun = RunsFilter(statuses=[DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
        with open_instance(self._world.settings) as instance:
            return {*instance.get_run_ids(begun)}

    def told(self) -> str:
        """What is on record of the runs that did not succeed, each with the last that it said, and of the sensors that failed."""
        from dagster import DagsterRunStatus
        from dagster._core.scheduler.instigation import TickStatus

        lines: list[str] = []
        with open_instance(self._world.settings) as instance:
            for run in reversed(instance.get_runs()):
                if run.status is not DagsterRunStatus.SUCCESS:
                    of = ", ".join(sorted(".".join(key.path) for key in run.asset_selection or ()))
                    lines.append(f"run {run.run_id[:8]} {run.status.value}, {run.tags.get(FAILURE_TAG, 'no kind')}: {of}")
                    lines += [f"  {entry.user_message[-_SAID:]}" for entry in instance.all_logs(run.run_id)[-2:]]
            for sensor in instance.all_instigator_state():
                ticks = instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id, statuses=[TickStatus.FAILURE])
                lines += [f"{sensor.name}: {tick.error.message[-_SAID:]}" for tick in ticks[:1] if tick.error]
        return "\n".join(lines)

    def close(self) -> None:
        """Ask both to end."""
        for process in self._processes.values():
            process.send_signal(signal.SIGINT)
        for process in self._processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
