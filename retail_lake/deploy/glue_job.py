"""The Glue job that runs the job program: made, or changed to what the settings say, and otherwise left alone.

Belongs here: the job's definition. Does not: a run of it (`engines/glue.py`), which sets workers, timeout and arguments anew.
"""

from __future__ import annotations

from typing import Any, Final

from retail_lake.aws import client, code_of, refusals
from retail_lake.config import Settings
from retail_lake.deploy.artifact import Artifact
from retail_lake.deploy.lanes import lane_of
from retail_lake.deploy.tags import account, missing_tags, tags_of

_WORKERS: Final = 2
_RUNS_AT_ONCE: Final = 50


def definition(settings: Settings, artifact: Artifact) -> dict[str, Any]:
    """The job as Glue's `JobUpdate` has it; times are in minutes there."""
    return {
        "Description": f"Runs jobs of retail_lake, {artifact.version}.",
        "Role": settings.glue_role,
        "Command": {"Name": "glueetl", "ScriptLocation": artifact.entry, "PythonVersion": "3"},
        "DefaultArguments": {
            "--job-language": "python",
            "--additional-python-modules": artifact.wheels,
            # Without an index nothing is installed that is not in the artifact.
            "--python-modules-installer-option": "--no-index",
            "--enable-auto-scaling": "true",
            "--enable-continuous-cloudwatch-log": "true",
            "--enable-metrics": "true",
            "--enable-observability-metrics": "true",
        },
        "GlueVersion": lane_of(settings).glue_version,
        "WorkerType": "G.1X",
        "NumberOfWorkers": _WORKERS,
        "ExecutionClass": "STANDARD",
        "Timeout": -(-settings.job_timeout // 60),
        # Dagster retries: it knows which failures are worth it.
        "MaxRetries": 0,
        "ExecutionProperty": {"MaxConcurrentRuns": _RUNS_AT_ONCE},
    }


def ensure(settings: Settings, artifact: Artifact, *, act: bool = True) -> list[str]:
    """Make the job be as defined; returns what was other, nothing if it is so already. Unless `act`, only looks.

    Raises a `Failure`.
    """
    glue, name, wanted = client("glue", settings), settings.glue_job, definition(settings, artifact)
    with refusals(f"Glue job {name}"):
        found = _job(glue, name)
        if found is None:
            if act:
                glue.create_job(Name=name, Tags=tags_of(settings), **wanted)
            return ["created"]
        changed = [field for field, value in wanted.items() if not _same(field, found.get(field), value)]
        if changed and act:
            # An update replaces everything, so everything is given.
            glue.update_job(JobName=name, JobUpdate=wanted)
        partition, number = account(settings)
        arn = f"arn:{partition}:glue:{settings.region}:{number}:job/{name}"
        if missing := missing_tags(settings, glue.get_tags(ResourceArn=arn).get("Tags", {})):
            if act:
                glue.tag_resource(ResourceArn=arn, TagsToAdd=missing)
            changed.append("Tags")
    return changed


def _job(glue: Any, name: str) -> dict[str, Any] | None:
    try:
        job: dict[str, Any] = glue.get_job(JobName=name)["Job"]
    except glue.exceptions.ClientError as error:
        if code_of(error) == "EntityNotFoundException":
            return None
        raise
    return job


def _same(field: str, found: object, wanted: object) -> bool:
    """Glue gives a role back as it was given, by name or by ARN; either names the same one."""
    if field == "Role":
        return str(found).rsplit("/", 1)[-1] == str(wanted).rsplit("/", 1)[-1]
    return found == wanted
