"""`retail-lake runbook`: what to do when something is lost or wrong.

Belongs here: the command. Does not: the pages (`runbooks/`).
"""

from __future__ import annotations

import click


@click.command(name="runbook", short_help="What to do when something is lost or wrong.")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Show the page NAME; without one, which pages there are."""
    from retail_lake.cli.common import console, grid
    from retail_lake.runbooks import page, pages, title

    out = console()
    if name is None:
        shown = grid("page", "when")
        for known, text in pages().items():
            shown.add_row(known, title(text))
        out.print(shown)
        out.print("Read one: retail-lake runbook PAGE")
    elif out.is_terminal:
        from rich.markdown import Markdown

        out.print(Markdown(page(name)))
    else:
        click.echo(page(name), nl=False)
