"""A table of 100,000 files is planned and launched in bounded memory, and none of them is named on a command line.

The files are not there: what planning reads is manifests, and those are real.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake.lake.lake import Lake
from retail_lake.lake.publications import Publication
from retail_lake.tables import TABLES
from retail_lake_tests.s3 import S3Server

pytestmark = pytest.mark.full
FILES, MANIFESTS = 100_000, 10
DAYS = [date(2017, 1, 1) + timedelta(days=i) for i in range(250)]
KILOBYTES_A_FILE = 2
INPUT, OUTPUT = "gold.fact_sales", "gold.daily_store_sales"


def lake_at(home: Path, s3: S3Server | None = None) -> Lake:
    """The lake; jobs leave their documents on that S3 server."""
    more = {"artifacts_uri": f"s3://{s3.bucket}/many", "s3_endpoint": s3.endpoint} if s3 else {}
    return Lake(Settings(home=home, first_day=DAYS[0], last_day=DAYS[-1], **more))


def _publication(day: date) -> Publication:
    return Publication(
        INPUT, day, "published", "job", "run", "code", f"print-{day}", "", 1, {}, 10, 10, 0, 0, 1, 0, 1, (), (), datetime.now(UTC)
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose `gold.fact_sales` has that many files, each with the statistics that a Parquet file brings."""
    from pyiceberg.conversions import to_bytes
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record
    from pyiceberg.types import DateType

    folder = tmp_path_factory.mktemp("many")
    lake = lake_at(folder)
    table = TABLES[INPUT]
    stored, place = lake.ensure(table), lake.data_location(INPUT)
    day_id = stored.schema().find_field(str(table.day)).field_id
    ids = [field.field_id for field in stored.schema().fields]
    counts, nulls, sizes = dict.fromkeys(ids, 10), dict.fromkeys(ids, 0), dict.fromkeys(ids, 100)
    for first in range(0, FILES, FILES // MANIFESTS):
        with stored.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
            for number in range(first, first + FILES // MANIFESTS):
                day = DAYS[number * len(DAYS) // FILES]
                since = (day - date(1970, 1, 1)).days
                bound = {day_id: to_bytes(DateType(), since)}
                append.append_data_file(
                    DataFile.from_args(
                        content=DataFileContent.DATA,
                        file_path=f"{place}/data/{number:020x}-00000000/rows/{table.day}={day}/data_0.parquet",
                        file_format=FileFormat.PARQUET,
                        partition=Record(since),
                        record_count=10,
                        file_size_in_bytes=1_000,
                        column_sizes=sizes,
                        value_counts=counts,
                        null_value_counts=nulls,
                        nan_value_counts={},
                        lower_bounds=bound,
                        upper_bounds=bound,
                        key_metadata=None,
                        split_offsets=[4],
                        equality_ids=None,
                        sort_order_id=None,
                        spec_id=0,
                    )
                )
    lake.record(INPUT, [_publication(day) for day in DAYS])
    return folder


LAUNCH = """
import json, resource, sys
from pathlib import Path
from retail_lake.engines.control import Log, State, Status
from retail_lake.engines.remote import RemoteEngine
from retail_lake.jobs.description import JobDescription, JobReport
from retail_lake.lake.plan import plan
from retail_lake.storage import read_bytes, write_bytes
from retail_lake.tables import TABLES
from retail_lake_tests.lake import test_many_files as many
from retail_lake_tests.s3 import S3Server

home, endpoint, bucket = sys.argv[1:]
lake = many.lake_at(Path(home), S3Server(endpoint, bucket))
said = {}


class Taken:
    "A service that keeps what it is handed, and whose job reports at once."

    name = "glue"

    def submit(self, launch):
        given = dict(zip(launch.arguments[::2], launch.arguments[1::2]))
        said.update(command_line=sum(map(len, launch.arguments)), description=given["--description"])
        report = JobReport(job_id=job.job_id, table=job.table, engine="spark", days=())
        write_bytes(given["--report"], report.model_dump_json().encode(), lake.settings)
        return "run-1"

    def find(self, token):
        return None

    def status(self, remote_id):
        return Status(State.SUCCEEDED)

    def cancel(self, remote_id):
        pass

    def console(self, remote_id):
        return ""

    def log_tail(self, remote_id, lines=30):
        return Log()


def peak():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # Not what getrusage says: there a child counts what its parent had when it was started.
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
    return int(line.split()[1])


# What any plan and any access to S3 brings with it.
plan(lake, TABLES["gold.dim_date"], [], run_id="before")
write_bytes(f"{lake.settings.artifacts_uri}/before", b"", lake.settings)
lake.publications_by_day()
before = peak()
(job,) = plan(lake, TABLES[many.OUTPUT], many.DAYS, run_id="run").jobs
said["planned"] = peak() - before
RemoteEngine(lake.settings, Taken()).run(job)
said["launched"] = peak() - before
again = JobDescription.model_validate_json(read_bytes(said["description"], lake.settings))
said["files"] = len({f.uri for f in again.inputs[0].files})
said["same"] = again == job
print(json.dumps(said))
"""


def test_it_is_planned_and_launched_in_bounded_memory(home: Path, s3: S3Server) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LAUNCH, str(home), s3.endpoint, s3.bucket], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert (said["files"], said["same"]) == (FILES, True)
    assert said["description"].startswith(f"s3://{s3.bucket}/many/jobs/") and said["description"].endswith("/description.json")
    assert said["command_line"] < 2_000
    assert 0 < said["planned"] <= said["launched"] < KILOBYTES_A_FILE * FILES


def test_a_day_of_it_reads_one_manifest(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.manifest import ManifestFile

    opened: list[str] = []
    original = ManifestFile.fetch_manifest_entry

    def fetch(self: ManifestFile, *args: object, **kwargs: object) -> object:
        opened.append(self.manifest_path)
        return original(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ManifestFile, "fetch_manifest_entry", fetch)
    pinned = lake_at(home).pin(INPUT, [DAYS[3]], TABLES[INPUT].day)
    assert (len(pinned.files), {f.day for f in pinned.files}, len(opened)) == (FILES // len(DAYS), {DAYS[3]}, 1)
