"""The artifact, run as the services run it: a fresh environment from the wheels alone, and the packed one somewhere else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from retail_lake.config import Settings
from retail_lake.deploy import artifact
from retail_lake.deploy.artifact import Built
from retail_lake.failure import ConfigurationFailure
from retail_lake.jobs.description import FailureReport, JobDescription, JobReport
from retail_lake.storage import delete_files, list_files, write_bytes
from retail_lake_tests.s3 import S3Server

MEGABYTE = 1_000_000


def part(built: Built, end: str) -> Path:
    """The part whose name ends so."""
    (found,) = (built.folder / name for name in built.sizes if name.endswith(end))
    return found


def run(python: Path, built: Built, job: JobDescription, folder: Path) -> subprocess.CompletedProcess[str]:
    """The entry script in a process that inherits nothing, from a folder of its own."""
    job = job.model_copy(update={"staging": f"file://{folder / 'staged'}"})
    (folder / "job.json").write_text(job.model_dump_json())
    arguments = ["--description", str(folder / "job.json"), "--report", str(folder / "report.json"), "--engine", "local"]
    # Services add arguments of their own.
    command = [str(python), str(built.folder / "main.py"), *arguments, "--JOB_NAME", "retail-lake"]
    return subprocess.run(command, env={}, cwd=folder, capture_output=True, text=True, check=False)


def check(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    """The job did what it does here: two stores, one record without a key refused."""
    assert done.returncode == 0, done.stderr
    report = JobReport.model_validate_json((folder / "report.json").read_text())
    (day,) = report.days
    assert (day.rows_in, day.published, day.quarantined) == (3, 2, 1)
    (staged,) = report.staged
    assert duckdb.sql(f"SELECT store_id FROM '{staged.uri.removeprefix('file://')}' ORDER BY 1").fetchall() == [(292,), (293,)]


@pytest.fixture(scope="module")
def from_wheels(built_artifact: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with what is in the zip of wheels and nothing else."""
    folder = tmp_path_factory.mktemp("wheels")
    zipfile.ZipFile(part(built_artifact, ".gluewheels.zip")).extractall(folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-compile"]
    subprocess.run([*command, "--find-links", str(folder / "wheels"), "-r", str(folder / "wheels/requirements.txt")], check=True)
    return python


@pytest.mark.full
def test_the_wheels_alone_run_a_job(
    from_wheels: Path, built_artifact: Built, jobs: dict[str, JobDescription], tmp_path: Path
) -> None:
    check(tmp_path, run(from_wheels, built_artifact, jobs["silver.stores"], tmp_path))


@pytest.mark.full
def test_the_wheels_satisfy_each_other_and_bring_no_dagster(from_wheels: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(from_wheels)]
    checked = subprocess.run([*pip, "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    listed = subprocess.run([*pip, "list", "--format=freeze"], capture_output=True, text=True, check=True).stdout
    names = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert "retail-lake-job" in names and names.isdisjoint({"dagster", "pyiceberg", "pyspark", "retail-lake"})


def test_the_packed_environment_runs_a_job_where_it_was_not_made(
    built_artifact: Built, jobs: dict[str, JobDescription], tmp_path: Path
) -> None:
    shutil.unpack_archive(part(built_artifact, ".tar.gz"), tmp_path / "environment", "gztar")
    (tmp_path / "job").mkdir()
    python = tmp_path / "environment" / "bin" / "python"
    check(tmp_path / "job", run(python, built_artifact, jobs["silver.stores"], tmp_path / "job"))
    code = "import sys, pyarrow, ssl, sqlite3; print(*{p for p in sys.path if p}, pyarrow.__file__, sep='\\n')"
    paths = subprocess.run([str(python), "-c", code], env={}, capture_output=True, text=True, check=True).stdout.split()
    assert all(Path(path).is_relative_to(tmp_path) for path in paths)


def test_a_job_of_other_code_is_refused_and_the_process_fails(
    from_wheels: Path, built_artifact: Built, jobs: dict[str, JobDescription], tmp_path: Path
) -> None:
    job = jobs["silver.stores"].model_copy(update={"code_version": "of-tomorrow"})
    done = run(from_wheels, built_artifact, job, tmp_path)
    assert done.returncode == 2
    failure = FailureReport.model_validate_json((tmp_path / "report.json").read_text())
    assert failure.kind == "configuration" and "retail-lake deploy" in failure.message


def test_it_is_not_larger_than_it_has_to_be(built_artifact: Built) -> None:
    assert part(built_artifact, ".gluewheels.zip").stat().st_size < 250 * MEGABYTE
    assert part(built_artifact, ".tar.gz").stat().st_size < 300 * MEGABYTE
    assert part(built_artifact, "main.py").stat().st_size < 1000


@pytest.fixture
def settings(s3: S3Server, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings with a place for artifacts of this test's own."""
    return Settings(home=tmp_path, artifacts_uri=f"s3://{s3.bucket}/{request.node.name}", s3_endpoint=s3.endpoint)


@pytest.fixture
def small(tmp_path: Path) -> Built:
    """Something to upload that is not a quarter of a gigabyte."""
    folder = tmp_path / "built"
    folder.mkdir()
    names = ("main.py", "retail_lake_1-abc.gluewheels.zip", "environment.tar.gz")
    for name in names:
        (folder / name).write_text(name)
    return Built("spark-4.1", "1-abc", "3.13", folder, {name: len(name) for name in names})


def test_nothing_deployed_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(ConfigurationFailure, match="run `retail-lake deploy`"):
        artifact.current(settings)


def test_what_is_published_is_current_in_its_lane_only(settings: Settings, small: Built) -> None:
    made = artifact.publish(settings, small)
    assert artifact.current(settings) == made
    assert made.wheels == f"{settings.artifacts_uri}/artifacts/spark-4.1/1-abc/retail_lake_1-abc.gluewheels.zip"
    assert {f.key for f in list_files(f"{settings.artifacts_uri}/artifacts", settings)} == {
        "spark-4.1/current.json", "spark-4.1/1-abc/artifact.json", *(f"spark-4.1/1-abc/{name}" for name in small.sizes)
    }  # fmt: skip
    with pytest.raises(ConfigurationFailure, match=r"spark-3\.5"):
        artifact.current(settings.model_copy(update={"lane": "spark-3.5"}))


@pytest.mark.parametrize("name", ["main.py", "retail_lake_2-def.gluewheels.zip", "artifact.json", "current.json"])
def test_a_broken_upload_leaves_the_old_one_current(
    settings: Settings, small: Built, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = artifact.publish(settings, small)
    (small.folder / "retail_lake_1-abc.gluewheels.zip").rename(small.folder / "retail_lake_2-def.gluewheels.zip")
    after = replace(small, version="2-def", sizes={p.name: p.stat().st_size for p in sorted(small.folder.iterdir())})
    real_copy, real_write = artifact.copy, artifact.write_bytes

    def copy(source: str, target: str, settings: Settings) -> None:
        if target.endswith(name):
            raise OSError("the line is dead")
        real_copy(source, target, settings)

    def write(uri: str, data: bytes, settings: Settings) -> None:
        if uri.endswith(name):
            raise OSError("the line is dead")
        real_write(uri, data, settings)

    with monkeypatch.context() as broken:
        broken.setattr(artifact, "copy", copy)
        broken.setattr(artifact, "write_bytes", write)
        with pytest.raises(OSError, match="dead"):
            artifact.publish(settings, after)
    assert artifact.current(settings) == before
    whole = artifact.publish(settings, after)
    assert artifact.current(settings) == whole != before


def test_a_part_that_is_gone_or_short_is_uploaded_again_and_nothing_else(settings: Settings, small: Built) -> None:
    made = artifact.publish(settings, small)
    told: list[str] = []
    artifact.publish(settings, small, told.append)
    assert told == []
    delete_files([made.wheels], settings)
    write_bytes(made.environment, b"short", settings)
    artifact.publish(settings, small, told.append)
    assert sorted(line.split()[1].rstrip(",") for line in told) == ["environment.tar.gz", "retail_lake_1-abc.gluewheels.zip"]
    sizes = {f.key: f.size for f in list_files(made.entry.rpartition("/")[0], settings)}
    assert small.sizes.items() <= sizes.items()
