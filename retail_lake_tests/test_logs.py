"""Logs as JSON lines: what the library, a run of Dagster's and the command line say, by run, table, days and engine."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from retail_lake.config import Settings
from retail_lake.logs import about, configure

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 3)
RUN = """
from datetime import date
from pathlib import Path
import sys
from retail_lake.config import Settings
from retail_lake.failure import DataFailure
from retail_lake.orchestration.run import materialize_range
from retail_lake_tests.orchestration.fakes import FakeFlow, fake_definitions
settings = Settings(home=Path(sys.argv[1]), first_day=date(2017, 1, 1), last_day=date(2017, 1, 3))
flow = FakeFlow(raises={"silver.lines": DataFailure("it\\nis broken")})
progress = print if sys.argv[2] == "watched" else None
summary = materialize_range(
    ["bronze.lines", "silver.lines", "gold.dim_person"], date(2017, 1, 1), date(2017, 1, 2), settings=settings,
    definitions=fake_definitions(settings, flow), progress=progress,
)
print(summary.run_id)
"""


@pytest.fixture
def json_logs(tmp_path: Path) -> Iterator[logging.Logger]:
    configure(Settings(home=tmp_path, log_format="json"))
    yield logging.getLogger("retail_lake.somewhere")
    configure(Settings(home=tmp_path))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_message_says_what_it_is_about(json_logs: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    with about(run="r1", engine="local"):
        with about(table="silver.sales", days=[date(2017, 1, 3), date(2017, 1, 1)]):
            json_logs.warning("%s rows\nof it", 3)
        json_logs.info("done")
    json_logs.error("outside")
    first, second, third = lines(capsys.readouterr().err)
    assert first["message"] == "3 rows\nof it" and first["level"] == "WARNING" and first["logger"] == "retail_lake.somewhere"
    about_it = ("run", "table", "first_day", "last_day", "days", "engine")
    assert [first[name] for name in about_it] == ["r1", "silver.sales", "2017-01-01", "2017-01-03", 2, "local"]
    assert second["run"] == "r1" and "table" not in second
    assert not set(about_it) & set(third)


def test_threads_do_not_speak_for_each_other(json_logs: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    together = threading.Barrier(2, timeout=10)

    def work(table: str) -> None:
        with about(table=table):
            together.wait()
            json_logs.warning(table)
            together.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("silver.a", "silver.b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = lines(capsys.readouterr().err)
    assert sorted(line["table"] for line in said) == ["silver.a", "silver.b"]
    assert all(line["table"] == line["message"] for line in said)


def test_an_error_keeps_its_stack_on_one_line(json_logs: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        json_logs.exception("it failed")
    (said,) = lines(capsys.readouterr().err)
    assert "Traceback" in said["error"] and said["error"].endswith("ValueError: no")


def test_text_is_left_alone(tmp_path: Path) -> None:
    configure(Settings(home=tmp_path))
    assert logging.getLogger("retail_lake").handlers == []


@pytest.mark.parametrize("watched", ["watched", "alone"])
def test_a_run_logs_json_and_nothing_else(tmp_path: Path, watched: str) -> None:
    seen = {**os.environ, "RETAIL_LAKE_LOG_FORMAT": "json", "PYTHONPATH": str(Path.cwd()), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path), watched], env=seen, capture_output=True, text=True, check=True, timeout=120
    )
    run_id = done.stdout.split()[-1]
    # While a step runs, its output goes to a file that the UI shows, and by way of another process to where it went before.
    said = lines(done.stderr + "".join(log.read_text() for log in tmp_path.rglob("*.err")))
    built = next(line for line in said if line["message"] == "silver.lines: 2 days")
    assert built["table"] == "silver.lines" and built["engine"] == "local" and built["run"] == run_id
    assert (built["first_day"], built["last_day"]) == ("2017-01-01", "2017-01-02")
    if watched == "alone":
        assert {"PIPELINE_FAILURE", "STEP_FAILURE", "ASSET_MATERIALIZATION"} <= {str(line.get("event")) for line in said}
        assert all(line["run"] == run_id for line in said if "event" in line)
        made = {(line["table"], line["day"]) for line in said if line.get("event") == "ASSET_MATERIALIZATION"}
        assert made == {("bronze.lines", "2017-01-01"), ("bronze.lines", "2017-01-02")}
