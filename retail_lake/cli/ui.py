"""`retail-lake ui`: the Dagster UI and its daemon over the same lake and the same instance as `demo`."""

from __future__ import annotations

import click


@click.command(name="ui", short_help="Open the Dagster UI over the same lake.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the web server.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address it listens on.")
def command(port: int, host: str) -> None:
    """Serve the asset graph, its checks and runs at http://HOST:PORT until interrupted.

    Days can be materialized and backfilled from there; the daemon that runs backfills and sensors is started with it.
    """
    import os
    import socket
    import sys

    from retail_lake.cli.common import console, settings
    from retail_lake.failure import ConfigurationFailure
    from retail_lake.orchestration.instance import WORKSPACE_FILE, environment, project_file

    current = settings()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationFailure(f"{host}:{port} cannot be used ({error.strerror}): choose another with --port") from None
    os.environ |= environment(current)
    os.environ.setdefault("RETAIL_LAKE_UI_URL", f"http://{host}:{port}")
    console().print(f"Dagster is starting at http://{host}:{port} over {current.home}. Ctrl-C ends it.")
    arguments = ["-m", "dagster", "dev", "--workspace", str(project_file(WORKSPACE_FILE)), "--host", host, "--port", str(port)]
    arguments += ["--log-format", "json"] if current.log_format == "json" else []
    os.execv(sys.executable, [sys.executable, *arguments])
