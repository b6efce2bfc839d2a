"""The `retail-lake` command: one module per subcommand, imported when it is used; their heavy parts inside the command.

Belongs here: the group and how failures are told. Does not: what a subcommand does.
"""

from __future__ import annotations

import atexit
import gc
import importlib
from typing import Any, Final

import click

from retail_lake.failure import ConfigurationFailure, Failure, of_the_machine, words

COMMANDS: Final = (
    "demo",
    "ui",
    "sql",
    "status",
    "alerts",
    "backfill",
    "preview",
    "parity",
    "cost",
    "reload",
    "rollback",
    "recover",
    "restore",
    "clean",
    "runbook",
    "deploy",
    "doctor",
)
# What a person asked for cannot be; as opposed to 1: it was tried and failed.
USAGE: Final = 2


class Commands(click.Group):
    """Subcommands found by name, and a `Failure` or a fault of the machine told as one message: exit code 2 if it is for the
    user to set right."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The module of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"retail_lake.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            click.echo(str(failure), err=True)
            ctx.exit(USAGE if isinstance(failure, ConfigurationFailure) else 1)
        except Exception as error:
            # A reader that went away is click's own matter.
            if isinstance(error, BrokenPipeError) or not of_the_machine(error):
                raise
            click.echo(words(error), err=True)
            click.echo("It may pass: run it again. If it does not, `retail-lake doctor` says what does not answer.", err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="retail-lake")
def main() -> None:
    """A retail data lake and warehouse on one machine.

    Everything is kept in one folder: RETAIL_LAKE_HOME, or .retail_lake where you are. Start with: retail-lake demo
    """
    # The large libraries' objects live as long as the process: looking through them for garbage every few hundred
    # allocations takes a sixth of a day's run, and once more at its end another second.
    gc.set_threshold(50_000, 20, 20)
    atexit.register(gc.freeze)
