"""`retail-lake deploy` as a user runs it: objects on a real S3 server, the control planes of Glue and Lambda beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from retail_lake.cli import main
from retail_lake.config import load_settings
from retail_lake.deploy import artifact
from retail_lake.deploy.artifact import Blueprint, Built
from retail_lake.storage import list_files
from retail_lake_tests.deploy.control_plane import Recorded
from retail_lake_tests.s3 import S3Server

Deploy = Callable[..., Result]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/retail-lake:1-abc"


@pytest.fixture
def deploy(
    control_plane: Recorded, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Deploy:
    """The command with settings of the aws profile, from a folder of its own; other settings may be given."""
    control_plane.prepare()
    at = f"s3://{s3.bucket}/{request.node.name}"
    given = {
        "home": tmp_path, "profile": "aws", "lake_uri": f"{at}/lake", "landing_uri": f"{at}/landing", "artifacts_uri": at,
        "s3_endpoint": s3.endpoint, "glue_role": control_plane.role, "lambda_role": control_plane.role,
        "emr_serverless_application": "00f1r2", "emr_serverless_role": control_plane.role, "redshift_workgroup": "retail",
    }  # fmt: skip

    def invoke(*arguments: str, **other: str) -> Result:
        for name, value in {**given, **other}.items():
            monkeypatch.setenv(f"RETAIL_LAKE_{name.upper()}", str(value))
        control_plane.changes.clear()
        return CliRunner().invoke(main, ["deploy", *arguments])

    return invoke


@pytest.fixture
def quickly_built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An artifact with nothing in it instead of the real one, which has its own tests; returns the versions that were built."""
    versions: list[str] = []

    def build(plan: Blueprint, folder: Path, **_: object) -> Built:
        versions.append(plan.version)
        names = ("environment.tar.gz", "main.py", f"retail_lake_{plan.version}.gluewheels.zip")
        for name in names:
            (folder / name).write_text(name)
        return Built(plan.lane, plan.version, plan.wheels.python, folder, {name: len(name) for name in names})

    monkeypatch.setattr(artifact, "build", build)
    return versions


def line(result: Result, what: str) -> str:
    """What the summary says of something."""
    (found,) = (row for row in result.output.splitlines() if row.strip().startswith(what))
    return found


def test_the_first_time_all_is_made_and_the_second_time_nothing(
    deploy: Deploy, control_plane: Recorded, quickly_built: list[str]
) -> None:
    first = deploy(lambda_image=IMAGE)
    assert first.exit_code == 0, first.output
    (version,) = quickly_built
    assert version in line(first, "artifact") and "uploaded" in line(first, "artifact")
    assert "created" in line(first, "Glue job") and "created" in line(first, "Lambda function")
    assert "retail-lake doctor" in first.output
    made = artifact.current(load_settings())
    job = control_plane.client("glue").get_job(JobName="retail-lake")["Job"]
    assert job["Command"]["ScriptLocation"] == made.entry
    assert (made.version, made.python) == (version, "3.13")
    second = deploy(lambda_image=IMAGE)
    assert [line(second, what).split()[-1] for what in ("artifact", "Glue job", "Lambda function")] == ["unchanged"] * 3
    assert quickly_built == [version] and control_plane.changes == []


def test_a_dry_run_tells_and_changes_nothing(deploy: Deploy, control_plane: Recorded, quickly_built: list[str]) -> None:
    told = deploy("--dry-run", lambda_image=IMAGE)
    assert told.exit_code == 0, told.output
    assert "uploaded" in line(told, "artifact") and "created" in line(told, "Glue job")
    assert "Nothing was changed" in told.output
    settings = load_settings()
    assert (quickly_built, control_plane.changes, list_files(settings.artifacts_uri, settings)) == ([], [], [])


def test_another_lane_is_deployed_beside_the_first(deploy: Deploy, quickly_built: list[str]) -> None:
    deploy()
    other = deploy(lane="spark-3.5")
    assert "GlueVersion" in line(other, "Glue job") and "DefaultArguments" in line(other, "Glue job")
    assert artifact.current(load_settings(lane="spark-4.1")).version == quickly_built[0]
    assert artifact.current(load_settings(lane="spark-3.5")).version == quickly_built[1] != quickly_built[0]
    assert artifact.current(load_settings(lane="spark-3.5")).python == "3.11"
    back = deploy(lane="spark-4.1")
    assert "unchanged" in line(back, "artifact") and len(quickly_built) == 2


def test_an_earlier_artifact_is_made_current_without_an_upload(deploy: Deploy, quickly_built: list[str]) -> None:
    deploy()
    settings = load_settings()
    now = artifact.current(settings)
    artifact.publish(settings, Built("spark-4.1", "9-zzz", "3.13", settings.home, {}))
    assert artifact.current(settings) != now
    assert "made current" in line(deploy("--dry-run"), "artifact")
    assert "made current" in line(deploy(), "artifact")
    assert artifact.current(settings) == now and len(quickly_built) == 1


def test_without_an_image_it_says_how_to_make_one(deploy: Deploy, quickly_built: list[str]) -> None:
    told = deploy()
    assert told.exit_code == 0
    assert "not deployed: build its image" in line(told, "Lambda function")


def test_settings_that_are_missing_are_named_before_anything_happens(deploy: Deploy, control_plane: Recorded) -> None:
    refused = deploy(glue_role="", artifacts_uri="")
    assert refused.exit_code == 2
    assert "RETAIL_LAKE_GLUE_ROLE" in refused.output and "RETAIL_LAKE_ARTIFACTS_URI" in refused.output
    assert control_plane.changes == []


def test_the_policies_are_json_for_each_role(deploy: Deploy, control_plane: Recorded) -> None:
    printed = deploy("--print-policies")
    documents = json.loads(printed.stdout)
    assert {"job", "job_trust", "launcher", "deployer", "redshift"} <= documents.keys()
    assert control_plane.account in printed.stdout and control_plane.changes == []


def test_the_image_context_is_complete(deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retail_lake.deploy.wheels._pip", lambda *_, **__: None)
    told = deploy("--lambda-context", str(tmp_path / "image"), lambda_image=IMAGE)
    assert told.exit_code == 0, told.output
    assert f"docker push {IMAGE}" in told.output
    (job,) = (tmp_path / "image" / "wheels").glob("*.whl")
    listed = (tmp_path / "image" / "wheels" / "requirements.txt").read_text().splitlines()
    assert job.name.startswith("retail_lake_job-") and any(row.startswith("great-expectations==") for row in listed)
    docker = (tmp_path / "image" / "Dockerfile").read_text()
    assert docker.splitlines()[1] == "FROM public.ecr.aws/lambda/python:3.13" and "--no-index" in docker
