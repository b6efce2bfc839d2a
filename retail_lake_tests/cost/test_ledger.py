"""The ledger: each attempt once, by the UTC day it ended in, on a local disk and on a real S3 server."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake.cost.ledger import read, record
from retail_lake_tests.cost.entries import attempt
from retail_lake_tests.s3 import S3Server

DAY = date(2026, 3, 4)


def test_what_is_recorded_is_read_by_utc_day(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    # Half past midnight in Berlin is still the day before in UTC.
    berlin = datetime(2026, 3, 5, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    entries = [
        attempt("a", ended_at=datetime(2026, 3, 3, 23, 59, tzinfo=UTC)),
        attempt("b"),
        attempt("c", ended_at=berlin, succeeded=False),
        attempt("d", ended_at=datetime(2026, 3, 5, 0, 0, tzinfo=UTC)),
    ]
    for used in reversed(entries):
        record(settings, used)
    assert read(settings, DAY, DAY) == entries[1:3]
    assert read(settings, DAY - timedelta(days=1), DAY + timedelta(days=1)) == entries
    assert read(settings, date(2020, 1, 1), date(2020, 1, 2)) == []


def test_recording_an_attempt_again_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    record(settings, attempt("a"))
    record(settings, attempt("a"))
    # Whoever repeats it the next day, having lost the service's word for its end, does not make it two.
    record(settings, attempt("a", ended_at=datetime(2026, 3, 5, 1, tzinfo=UTC)))
    assert [used.token for used in read(settings, DAY, DAY + timedelta(days=1))] == ["a"]


def test_a_torn_object_is_named_and_the_rest_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(home=tmp_path)
    record(settings, attempt("a"))
    torn = tmp_path / "lake" / "ops" / "usage" / "2026-03-04" / "b.json"
    torn.write_text(attempt("b").model_dump_json()[:40])
    assert [used.token for used in read(settings, DAY, DAY)] == ["a"]
    assert str(torn) in caplog.text


def test_an_object_says_in_plain_json_what_was_used(tmp_path: Path) -> None:
    record(Settings(home=tmp_path), attempt("a"))
    (stored,) = (tmp_path / "lake" / "ops" / "usage").rglob("*.json")
    assert stored.relative_to(tmp_path).as_posix() == "lake/ops/usage/2026-03-04/a.json"
    assert json.loads(stored.read_text()) == {
        "token": "a",
        "run_id": "run-1",
        "table": "silver.sales",
        "first_day": "2017-01-01",
        "last_day": "2017-01-02",
        "days": 2,
        "engine": "glue",
        "remote_id": "jr_a",
        "usage": {"dpu_seconds": 36_000.0},
        "dollars": 4.4,
        "ended_at": "2026-03-04T12:30:00Z",
        "succeeded": True,
    }


@pytest.mark.parametrize("token", ["../../x", "a/b", "_hidden", ".hidden", ""])
def test_a_token_that_would_not_be_found_again_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        attempt(token)


def test_the_same_on_s3(s3: S3Server, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, lake_uri=f"s3://{s3.bucket}/cost-test", s3_endpoint=s3.endpoint)
    entries = [attempt(f"t{n}", ended_at=datetime(2026, 3, 4, n, tzinfo=UTC)) for n in range(3)]
    for used in [*entries, *entries]:
        record(settings, used)
    assert read(settings, DAY - timedelta(days=40), DAY) == entries
    assert read(settings, DAY + timedelta(days=1), DAY + timedelta(days=2)) == []
