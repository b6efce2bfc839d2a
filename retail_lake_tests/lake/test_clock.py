"""A clock that was fast and is right again: what arrives afterwards is newer than what was listed before."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from retail_lake.lake import plan
from retail_lake.lake.lake import Lake
from retail_lake_tests.flow.pilot import statuses
from retail_lake_tests.lake.chain import DAYS, build, settings

TABLE = "bronze.crm_stores"


class _Fast(datetime):
    """A clock that is a day fast."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> _Fast:
        return cls.fromtimestamp(datetime.now(UTC).timestamp() + timedelta(days=1).total_seconds(), tz)


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "killed before the record"])
def test_a_file_that_lands_after_the_clock_was_set_right_is_published(
    landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    shutil.copytree(landing / "crm" / "stores", tmp_path / "landing" / "crm" / "stores")
    lake = Lake(settings(tmp_path / "home", tmp_path / "landing"))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(plan, "datetime", _Fast)
        if not recorded:
            meanwhile.setattr(Lake, "record", lambda *_: None)
        assert statuses(build(lake, DAYS[:1], [TABLE])[TABLE]) == {DAYS[0]: "published"}
    (file,) = (tmp_path / "landing" / "crm" / "stores").rglob("*_v1.parquet")
    shutil.copy(file, file.with_name(file.name.replace("_v1", "_v2")))
    assert statuses(build(lake, DAYS[:1], [TABLE])[TABLE]) == {DAYS[0]: "published"}
    assert {key.rsplit("_", 1)[1] for key in lake.stored(TABLE).scan().to_arrow()["_source_file"].unique().to_pylist()} == {
        "v2.parquet"
    }
