"""`retail-lake alerts`: what is wrong now, and whether the places that alerts go to take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from retail_lake.config import Settings


@click.command(name="alerts", short_help="What is wrong now, and who is told.")
@click.option("--test", is_flag=True, help="Send a test to every place that alerts go to, and say what came of it.")
def command(test: bool) -> None:
    """Show the open alerts, the oldest first, with what each blocks and what to do, and where alerts go.

    The sensor `alerts` looks once a minute while the daemon runs; what it found last is shown here.
    """
    from rich.markup import escape

    from retail_lake.alerts.board import Board, routes_of
    from retail_lake.alerts.notice import notice
    from retail_lake.cli.common import console, settings

    current = settings()
    out = console()
    entries = Board.read(current).open
    for entry in entries:
        out.print(
            f"{escape(notice(entry.alert, entry.opened_at, resolved=False).text)}\nSince: {entry.opened_at:%Y-%m-%d %H:%M} UTC\n"
        )
    out.print(f"{len(entries)} open alerts" if entries else "No alert is open.")
    for route in routes_of(current):
        what = "critical alerts" if route.severity == "critical" else "all alerts"
        whose = "whoever owns the table" if route.owner == "*" else f"owned by {escape(route.owner)}"
        out.print(f"{escape(route.to)}: {what}, {whose}")
    if test:
        _test(current)


def _test(current: Settings) -> None:
    """A notice that says that it is none, to each place once."""
    from datetime import UTC, datetime

    from retail_lake.alerts.alert import Alert, Kind
    from retail_lake.alerts.board import routes_of
    from retail_lake.alerts.notice import notice
    from retail_lake.alerts.sinks import open_sink
    from retail_lake.cli.common import console
    from retail_lake.contract import Severity
    from retail_lake.failure import Failure, TransientFailure

    alert = Alert(
        key="test",
        kind=Kind.UNKNOWN,
        severity=Severity.WARNING,
        owners=(current.alert_owner,),
        title="This is a test of the alerts",
        happened=f"Somebody asked the lake {current.lake_uri} for it.",
        next_step="None.",
    )
    wrong = []
    for to in dict.fromkeys(route.to for route in routes_of(current)):
        try:
            open_sink(to, current).send(notice(alert, datetime.now(UTC), resolved=False))
            console().print(f"{to}: taken")
        except Failure as failure:
            console().print(f"{to}: {failure}")
            wrong.append(to)
    if wrong:
        raise TransientFailure(f"Not taken by {', '.join(wrong)}.")
