"""The engines that the settings use on AWS, and the artifact they run.

Belongs here: what is asked of Glue, EMR Serverless, EMR and Lambda. Does not: how a job or function should be defined, which
`deploy/` says, or running anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from retail_lake.aws import client
from retail_lake.config import PREFIX, REMOTE, EngineName, Settings
from retail_lake.doctor.check import Check, Doubt
from retail_lake.failure import ConfigurationFailure, Failure

_PREFIXES: Final[Mapping[EngineName, str]] = {
    "glue": "glue",
    "emr_serverless": "emr-serverless",
    "emr": "elasticmapreduce",
    "awslambda": "lambda",
}
_RUNNING: Final = ("RUNNING", "WAITING")


def checks(settings: Settings, after: str) -> Iterator[Check]:
    """What there is to look at: the artifact, and each engine in use."""
    engines = {settings.engine_ingest, settings.engine_transform, settings.engine_analytics, settings.engine_small}
    used = [engine for engine in REMOTE if engine in engines]
    if {"glue", "emr_serverless", "emr"} & {*used}:
        yield Check("artifact", partial(_artifact, settings), "s3", after)
    looks: dict[EngineName, Callable[[Settings], str]] = {
        "glue": _glue,
        "emr_serverless": _emr_serverless,
        "emr": _emr,
        "awslambda": _lambda,
    }
    for engine in used:
        comes_first = "artifact" if engine == "glue" else after
        yield Check(engine, partial(looks[engine], settings), _PREFIXES[engine], comes_first, _absent(settings).get(engine, ""))


def _absent(settings: Settings) -> Mapping[EngineName, str]:
    """What to do where a service does not know what the settings name. A Glue job that is missing is told by its own check."""
    where = f"in {settings.region}: correct the variable, {PREFIX}REGION,"
    return {
        "emr_serverless": f"{PREFIX}EMR_SERVERLESS_APPLICATION={settings.emr_serverless_application}: there is no such "
        f"application {where} or make one of type SPARK and set its id",
        "emr": f"{PREFIX}EMR_CLUSTER={settings.emr_cluster}: there is no such cluster {where} or start one and set its id (j-…)",
        "awslambda": f"{PREFIX}LAMBDA_FUNCTION={settings.lambda_function}: there is no such function {where} or run"
        " `retail-lake deploy`, which makes it",
    }


def _artifact(settings: Settings) -> str:
    from retail_lake.deploy.artifact import blueprint, current, published

    deployed = current(settings)
    try:
        plan = blueprint(settings, python=deployed.python)
    except Failure as failure:
        raise Doubt(f"{deployed.version} is deployed; whether it is of this code cannot be told here: {failure}") from None
    if plan.version != deployed.version:
        raise Doubt(f"{deployed.version} is deployed and this code is {plan.version}: run `retail-lake deploy`")
    if published(settings, plan) is None:
        raise ConfigurationFailure(f"{deployed.version} is deployed but not all there: run `retail-lake deploy`")
    return f"{deployed.version} for {deployed.lane} is deployed, and it is of this code"


def _glue(settings: Settings) -> str:
    from retail_lake.deploy.artifact import current
    from retail_lake.deploy.glue_job import ensure
    from retail_lake.deploy.lanes import lane_of

    other = ensure(settings, current(settings), act=False)
    job = f"{PREFIX}GLUE_JOB={settings.glue_job}"
    if other == ["created"]:
        raise ConfigurationFailure(f"{job}: there is no such job; run `retail-lake deploy`")
    if {"GlueVersion", "Role", "Command"} & {*other}:
        raise ConfigurationFailure(f"{job} has another {', '.join(other)} than the settings say: run `retail-lake deploy`")
    if other:
        raise Doubt(f"{job} has other {', '.join(other)} than it should: run `retail-lake deploy`")
    return f"the job {settings.glue_job} runs Glue {lane_of(settings).glue_version} as {settings.glue_role}"


def _emr_serverless(settings: Settings) -> str:
    from retail_lake.deploy.lanes import lane_of

    application = settings.emr_serverless_application
    found = client("emr-serverless", settings).get_application(applicationId=application)["application"]
    variable, state = f"{PREFIX}EMR_SERVERLESS_APPLICATION={application}", found["state"]
    if state in ("TERMINATED", "STOPPING"):
        raise ConfigurationFailure(f"{variable} is {state}: set the id of another application")
    if found.get("type", "").upper() != "SPARK":
        raise ConfigurationFailure(f"{variable} is of type {found.get('type')}: jobs need one of type SPARK")
    _same_release(settings, variable, found["releaseLabel"])
    starts = found.get("autoStartConfiguration", {}).get("enabled", True)
    if state != "STARTED" and not starts:
        raise ConfigurationFailure(f"{variable} is {state} and does not start by itself: start it, or enable its automatic start")
    if found.get("architecture", "X86_64") != "X86_64":
        raise ConfigurationFailure(f"{variable} is of architecture {found['architecture']}: the artifact is for X86_64")
    return f"{application} ({found.get('name', 'no name')}) is {state}, {lane_of(settings).emr_release}"


def _emr(settings: Settings) -> str:
    from retail_lake.deploy.lanes import lane_of
    from retail_lake.engines.emr import Emr

    cluster = Emr(settings).cluster()
    found = client("emr", settings).describe_cluster(ClusterId=cluster)["Cluster"]
    variable, state = f"{PREFIX}EMR_CLUSTER={settings.emr_cluster}", found["Status"]["State"]
    if state not in _RUNNING:
        raise ConfigurationFailure(f"{variable}: the cluster {cluster} is {state}: start one, or name another")
    _same_release(settings, variable, found.get("ReleaseLabel", "unknown"))
    if "spark" not in {application["Name"].lower() for application in found.get("Applications", [])}:
        raise ConfigurationFailure(f"{variable}: the cluster {cluster} has no Spark: make one with it")
    return f"{cluster} ({found.get('Name', 'no name')}) is {state}, {lane_of(settings).emr_release}"


def _same_release(settings: Settings, variable: str, release: str) -> None:
    """Refuse a release of the other lane; another one of ours may do, but nobody has tried."""
    from retail_lake.deploy.lanes import LANES, lane_of

    lane = lane_of(settings)
    if release == lane.emr_release:
        return
    others = [other.name for other in LANES.values() if other.emr_release.rsplit(".", 1)[0] == release.rsplit(".", 1)[0]]
    if others and lane.name not in others:
        raise ConfigurationFailure(f"{variable} is {release}: set {PREFIX}LANE={others[0]}, or use {lane.emr_release}")
    raise Doubt(f"{variable} is {release}; {lane.name} is proven on {lane.emr_release}")


def _lambda(settings: Settings) -> str:
    from retail_lake.deploy.lambda_function import MEMORY, TIMEOUT

    name = settings.lambda_function
    found: dict[str, Any] = client("lambda", settings).get_function(FunctionName=name)
    made, variable = found["Configuration"], f"{PREFIX}LAMBDA_FUNCTION={name}"
    if made.get("PackageType") != "Image":
        raise ConfigurationFailure(f"{variable} is not made from a container image: run `retail-lake deploy`")
    if made.get("State", "Active") not in ("Active", "Inactive") or made.get("LastUpdateStatus") == "Failed":
        why = made.get("StateReason") or made.get("LastUpdateStatusReason") or "Lambda says no reason"
        raise ConfigurationFailure(f"{variable} is {made.get('State')}: {why}")
    if settings.lambda_image and found["Code"].get("ImageUri") != settings.lambda_image:
        raise Doubt(f"{variable} runs {found['Code'].get('ImageUri')}, not {PREFIX}LAMBDA_IMAGE: run `retail-lake deploy`")
    if made["Timeout"] < TIMEOUT or made["MemorySize"] < MEMORY:
        raise Doubt(
            f"{variable} has {made['MemorySize']} MB and {made['Timeout']} s; {MEMORY} MB and {TIMEOUT} s are meant: "
            "run `retail-lake deploy`"
        )
    return f"{name} has {made['MemorySize']} MB and {made['Timeout']} s"
