"""What DuckDB spills stays below the home, each connection's by itself, and is gone when the connection is."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from retail_lake.config import Settings
from retail_lake.duckdb_connection import connect
from retail_lake.engines.local import LocalEngine
from retail_lake.jobs import __main__ as program
from retail_lake.jobs.description import JobDescription
from retail_lake.jobs.duckdb_session import DuckDBSession

JOB = JobDescription(
    job_id="job", run_id="run", table="silver.stores", days=(), code_version="1", fingerprints={}, inputs=(), staging="nowhere",
    first_day=date(2017, 1, 1), last_day=date(2017, 1, 1), store_time_zone="America/New_York",
)  # fmt: skip
SPILLS = "CREATE TEMP TABLE much AS SELECT range AS i, md5(range::VARCHAR) AS word FROM range(2000000)"


@contextmanager
def session(settings: Settings) -> Iterator[Any]:
    with closing(DuckDBSession(settings)) as opened:
        yield opened.connection


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's folder for temporary files, with nothing in it."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.mark.parametrize("opened", [session, connect])
def test_what_spills_is_below_the_home_and_each_connection_s_own(
    tmp_path: Path, tmp: Path, opened: Callable[[Settings], AbstractContextManager[Any]]
) -> None:
    settings = Settings(home=tmp_path / "home", memory_limit="60MB", threads=1)
    with opened(settings) as one, opened(settings) as other:
        one.execute(SPILLS)
        folders = {path.parent for path in files(settings.home)}
        assert len(folders) == 1 and folders.pop().parent == settings.home
        other.execute(SPILLS)
        assert len({path.parent for path in files(settings.home)}) == 2
        assert one.execute("SELECT sum(i) FROM much").fetchone() == (1999999000000,)
        assert files(tmp) == []
    assert [*settings.home.iterdir()] == []


def test_what_a_killed_process_left_is_taken_away_in_time(tmp_path: Path) -> None:
    left, young = tmp_path / "spill-left", tmp_path / "spill-young"
    for folder in (left, young):
        folder.mkdir(parents=True)
        (folder / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"spilled")
    os.utime(left, (time.time() - 3 * 86400,) * 2)
    with connect(Settings(home=tmp_path)):
        assert (left.exists(), young.exists()) == (False, True)


def test_a_job_where_no_home_is_named_has_one_of_its_own_and_leaves_nothing(
    tmp_path: Path, tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes: list[Path] = []

    def run(engine: LocalEngine, job: JobDescription) -> Any:
        """The job spills, then stops."""
        homes.append(engine.settings.home)
        with session(engine.settings.model_copy(update={"memory_limit": "60MB", "threads": 1})) as connection:
            connection.execute(SPILLS)
            assert files(homes[-1])
        raise RuntimeError("enough")

    monkeypatch.setattr(LocalEngine, "run", run)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "description.json").write_text(JOB.model_dump_json())
    arguments = ["--description", str(tmp_path / "description.json"), "--report", str(tmp_path / "report.json")]
    monkeypatch.delenv("RETAIL_LAKE_HOME", raising=False)
    program.main(arguments)
    assert "enough" in (tmp_path / "report.json").read_text()
    assert homes[0].parent == tmp and not homes[0].exists() and [*tmp.iterdir()] == []
    assert not (tmp_path / ".retail_lake").exists()
    monkeypatch.setenv("RETAIL_LAKE_HOME", str(tmp_path / "home"))
    program.main(arguments)
    assert homes[1] == tmp_path / "home" and [*homes[1].iterdir()] == []
