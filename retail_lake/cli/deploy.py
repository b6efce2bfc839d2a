"""`retail-lake deploy`: the job program on AWS, as the settings say.

Belongs here: the command and its summary. Does not: what is built or changed (`deploy/`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from retail_lake.config import Settings
    from retail_lake.deploy.artifact import Artifact, Blueprint


@click.command(name="deploy", short_help="Bring the job program to AWS.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--buckets", "with_buckets", is_flag=True, help="Also set the buckets: encryption, versions, lifecycle.")
@click.option("--arrivals", "with_arrivals", is_flag=True, help="Also have the landing bucket announce arrivals to a queue.")
@click.option(
    "--python-home", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the Python for Linux that EMR jobs bring along. Default: the one that runs this.",
)  # fmt: skip
@click.option("--any-glibc", is_flag=True, help="Pack that Python even if EMR's own images could not start it.")
@click.option(
    "--lambda-context", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Only write what the Lambda function's image is built from.",
)  # fmt: skip
@click.option("--print-policies", is_flag=True, help="Only print the IAM policies of the settings' roles, as JSON.")
def command(
    dry_run: bool,
    with_buckets: bool,
    with_arrivals: bool,
    python_home: Path | None,
    any_glibc: bool,
    lambda_context: Path | None,
    print_policies: bool,
) -> None:
    """Build the job program with all it needs as one versioned artifact, upload it, and create or update the Glue job and
    the Lambda function. What is as it should be is left alone: deploying twice changes nothing.

    The versions that jobs run with are those installed here. Deploy again after every change of a table or of the project.
    """
    from retail_lake.cli.common import console, settings

    current, out = settings(), console()
    if print_policies:
        _print_policies(current)
    elif lambda_context is not None:
        _write_context(current, lambda_context, out)
    else:
        _deploy(current, out, dry_run, with_buckets, with_arrivals, python_home, any_glibc)


def _deploy(
    settings: Settings,
    out: Console,
    dry_run: bool,
    with_buckets: bool,
    with_arrivals: bool,
    python_home: Path | None,
    any_glibc: bool,
) -> None:
    from retail_lake.cli.common import grid
    from retail_lake.config import PREFIX
    from retail_lake.deploy import artifact, buckets, glue_job, lambda_function, notifications
    from retail_lake.failure import ConfigurationFailure

    if not settings.artifacts_uri:
        raise ConfigurationFailure(f"{PREFIX}ARTIFACTS_URI is not set: s3://bucket/prefix of what jobs run from")
    used = {settings.engine_ingest, settings.engine_transform, settings.engine_analytics, settings.engine_small}
    act = not dry_run
    shown = grid("what", "name", "would change" if dry_run else "changed", title=f"{settings.lane}, {settings.artifacts_uri}")
    if with_buckets:
        for bucket, changes in buckets.ensure(settings, act=act).items():
            shown.add_row("bucket", bucket, _told(changes))
    announced = settings.arrival_queue
    if with_arrivals:
        announced, changes = notifications.ensure(settings, act=act)
        shown.add_row("arrivals", notifications.queue_name(settings), _told(changes))
    plan = artifact.blueprint(settings, home=python_home)
    made, changes = _artifact(settings, plan, act, any_glibc)
    shown.add_row("artifact", plan.version, _told(changes))
    if settings.glue_role:
        shown.add_row("Glue job", settings.glue_job, _told(glue_job.ensure(settings, made, act=act)))
    if settings.lambda_image:
        shown.add_row("Lambda function", settings.lambda_function, _told(lambda_function.ensure(settings, act=act)))
    elif "awslambda" in used:
        shown.add_row("Lambda function", settings.lambda_function, f"not deployed: {lambda_function.NO_IMAGE}")
    out.print(shown)
    if announced != settings.arrival_queue:
        out.print(f"Set {PREFIX}ARRIVAL_QUEUE={announced}", soft_wrap=True)
    out.print("Nothing was changed. Deploy without --dry-run." if dry_run else "Next: retail-lake doctor")


def _artifact(settings: Settings, plan: Blueprint, act: bool, any_glibc: bool) -> tuple[Artifact, list[str]]:
    """The artifact of that blueprint, made current, and what had to be done for it."""
    import tempfile

    from retail_lake.cli.common import console
    from retail_lake.deploy import artifact
    from retail_lake.deploy.lanes import GLIBC

    if not act:
        there = artifact.published(settings, plan) is not None
        expected = artifact.expected(settings, plan)
        return expected, ["made current"] * (there and not artifact.is_current(settings, expected)) or ["uploaded"] * (not there)
    if known := artifact.published(settings, plan):
        return known, ["made current"] if artifact.select(settings, known) else []
    glibc = None if any_glibc else GLIBC
    with console(stderr=True).status("building the artifact ...") as status, tempfile.TemporaryDirectory() as folder:

        def tell(text: str) -> None:
            status.update(f"{text} ...")

        built = artifact.build(plan, Path(folder), glibc=glibc, progress=tell)
        made = artifact.publish(settings, built, tell)
    return made, [f"uploaded: {', '.join(f'{name} {size / 1e6:,.1f} MB' for name, size in built.sizes.items())}"]


def _told(changes: list[str]) -> str:
    return ", ".join(changes) or "unchanged"


def _write_context(settings: Settings, folder: Path, out: Console) -> None:
    from retail_lake.cli.common import console
    from retail_lake.deploy.lambda_function import write_context

    with console(stderr=True).status("fetching wheels ...") as status:
        version = write_context(folder, lambda text: status.update(f"{text} ..."))
    image = settings.lambda_image or f"<account>.dkr.ecr.{settings.region}.amazonaws.com/retail-lake:{version}"
    out.print(f"{folder} is ready. Build the image, push it, and deploy:")
    out.print(f"  docker build --platform linux/amd64 --provenance=false --tag {image} {folder}", soft_wrap=True)
    out.print(f"  docker push {image}", soft_wrap=True)
    out.print(f"  RETAIL_LAKE_LAMBDA_IMAGE={image} retail-lake deploy", soft_wrap=True)


def _print_policies(settings: Settings) -> None:
    import json

    from retail_lake.deploy.policies import policies

    click.echo(json.dumps(policies(settings), indent=2))
