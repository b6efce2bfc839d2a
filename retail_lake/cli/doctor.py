"""`retail-lake doctor`: is everything there that the settings name, and if not, what to do about it.

Belongs here: showing. Does not: what is looked at (`doctor/`).
"""

from __future__ import annotations

import click

from retail_lake.failure import ConfigurationFailure


@click.command(name="doctor", short_help="Check settings, credentials, buckets, engines, warehouse, permissions.")
@click.pass_context
def command(context: click.Context) -> None:
    """Look at each thing that the settings name, one by one, and say what to do about what is wrong. Nothing is changed.

    Exit code 1 if anything failed; a warning is something that works and should be otherwise.
    """
    from rich.markup import escape

    from retail_lake.cli.common import console, settings
    from retail_lake.doctor.check import Verdict, examine
    from retail_lake.doctor.checks import all_checks

    out = console()
    colours = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red", Verdict.SKIPPED: "dim"}

    def show(name: str, verdict: Verdict, says: str) -> None:
        out.print(f"[{colours[verdict]}]{verdict:<7}[/]  {escape(name)}: {escape(says)}", soft_wrap=True)

    try:
        current = settings()
    except ConfigurationFailure as failure:
        for line in str(failure).splitlines()[1:] or [str(failure)]:
            show("settings", Verdict.FAILED, line.strip())
        context.exit(1)
    verdicts = []
    for finding in examine(all_checks(current)):
        show(finding.name, finding.verdict, finding.says)
        verdicts.append(finding.verdict)
    failed, doubtful = verdicts.count(Verdict.FAILED), verdicts.count(Verdict.WARNING)
    out.print(f"{len(verdicts)} checks: {failed} failed, {doubtful} warnings")
    context.exit(1 if failed else 0)
