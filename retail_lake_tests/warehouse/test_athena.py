"""Ad-hoc SQL on Athena: values, pages, limits, what it costs, and what is left when it is interrupted."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from retail_lake.config import Settings
from retail_lake.contract import Column, Layer, Table
from retail_lake.cost import ledger
from retail_lake.failure import ConfigurationFailure, TransientFailure
from retail_lake.lake.lake import Lake
from retail_lake.warehouse.athena import Athena
from retail_lake.warehouse.athena_values import value
from retail_lake_tests.aws.faults import JobFault
from retail_lake_tests.aws.server import Aws

COLUMNS = (
    Column("n", "bigint", "A number."),
    Column("i", "int", "A small one."),
    Column("price", "decimal(12,2)", "Money."),
    Column("ratio", "double", "A ratio."),
    Column("name", "string", "A name."),
    Column("open", "boolean", "A truth."),
    Column("day", "date", "A day."),
    Column("at", "timestamp", "A moment, UTC."),
)
THINGS = Table(name="things", layer=Layer.GOLD, description="Things.", grain="thing", columns=COLUMNS, sql="SELECT 1")
EMPTY = Table(name="empty", layer=Layer.GOLD, description="Nothing.", grain="thing", columns=COLUMNS, sql="SELECT 1")
ROWS: list[tuple[Any, ...]] = [
    (9_007_199_254_740_993, -1, Decimal("-0.05"), 0.1, "", True, date(2017, 1, 1), datetime(2017, 1, 1, 23, 59, 59, 999999)),
    (2, 2_147_483_647, Decimal("9999999999.99"), 1e300, 'a "b", c\nÄ', False, date(1970, 1, 1), datetime(1900, 1, 1)),
    (3, None, None, None, None, None, None, None),
]
SELECT = "SELECT n, i, price, ratio, name, open, day, at FROM things ORDER BY n DESC"


@pytest.fixture
def settings(aws: Aws, tmp_path: Path) -> Settings:
    """A lake on S3 in Glue, of tables of every type; Athena's results and the ledger are its own."""
    aws.reset()
    place = f"s3://{aws.s3.bucket}/{tmp_path.name}"
    given = {"lake_uri": f"{place}/lake", "artifacts_uri": f"{place}/artifacts", "s3_endpoint": aws.s3.endpoint}
    made = Settings(home=tmp_path, catalog_uri="glue", poll_seconds=0.2, athena_scan_limit=20_000_000, **given)
    lake = Lake(made)
    lake.ensure(EMPTY)
    stored, names = lake.ensure(THINGS), [c.name for c in COLUMNS]
    stored.append(pa.Table.from_pylist([dict(zip(names, r, strict=True)) for r in ROWS], stored.schema().as_arrow()))
    numbers = pa.table({"n": range(2500)})
    lake.catalog.create_namespace("silver")
    lake.catalog.create_table("silver.others", numbers.schema, location=lake.data_location("silver.others")).append(numbers)
    aws.calls.clear()
    return made


@pytest.fixture
def athena(settings: Settings) -> Athena:
    """Athena over that lake."""
    return Athena(settings)


def _states(aws: Aws) -> list[str]:
    """The states of all queries, once none is on its way to an end that was asked for."""
    time.sleep(0.2)
    known = aws.services["athena"]._queries.values()  # type: ignore[attr-defined]
    return [query.state for query in known]


def test_values_come_back_as_they_were(athena: Athena) -> None:
    answer = athena.query(SELECT)
    assert answer.columns == (
        ("n", "bigint"), ("i", "integer"), ("price", "decimal"), ("ratio", "double"), ("name", "varchar"), ("open", "boolean"),
        ("day", "date"), ("at", "timestamp"),
    )  # fmt: skip
    found = list(answer.rows)
    assert found == sorted(ROWS, key=lambda r: -r[0])
    assert [type(v) for v in found[0]] == [int, int, Decimal, float, str, bool, date, datetime]
    assert list(athena.query("SELECT n, day FROM empty").rows) == []


@pytest.mark.parametrize(
    ("text", "type_", "expected"),
    [
        ("NaN", "double", math.nan),
        ("-Infinity", "float", -math.inf),
        ("1.0E10", "double", 1e10),
        ("2017-03-12 01:30:00.000", "timestamp", datetime(2017, 3, 12, 1, 30)),
        ("2017-03-12 01:30:00.000 UTC", "timestamp with time zone", datetime(2017, 3, 12, 1, 30, tzinfo=UTC)),
        ("2017-03-12 01:30:00.000 America/New_York", "timestamp with time zone", datetime(2017, 3, 12, 6, 30, tzinfo=UTC)),
        ("2017-03-12 01:30:00.000 -05:30", "timestamp with time zone", datetime(2017, 3, 12, 7, 0, tzinfo=UTC)),
        ("68 65 6c 6c 6f", "varbinary", b"hello"),
        ("[1, 2]", "array", "[1, 2]"),
        (None, "varchar", None),
    ],
)
def test_texts_are_read_by_their_types(text: str | None, type_: str, expected: object) -> None:
    found = value(text, type_)
    assert found == expected or (isinstance(found, float) and math.isnan(found) and math.isnan(expected))  # type: ignore[arg-type]


def test_long_answers_are_paged_and_other_layers_have_names(aws: Aws, athena: Athena) -> None:
    answer = athena.query("SELECT n FROM silver.others ORDER BY n")
    assert len(aws.called("athena", "GetQueryResults")) == 1
    assert [n for (n,) in answer.rows] == list(range(2500))
    assert len(aws.called("athena", "GetQueryResults")) == 3
    assert list(athena.query("SELECT count(*) AS n FROM things t JOIN silver.others o ON t.n = o.n").rows) == [(2,)]


def test_what_was_scanned_is_on_record_with_its_price(settings: Settings, athena: Athena) -> None:
    answer = athena.query(SELECT)
    today = datetime.now(UTC).date()
    (used,) = ledger.read(settings, today - timedelta(days=1), today)
    # The least that Athena bills is ten megabytes, at five dollars a terabyte.
    assert answer.scanned_bytes == 10_000_000 == used.usage["scanned_bytes"]
    assert answer.dollars == used.dollars == pytest.approx(10e6 * 5 / 1e12)
    assert (used.engine, used.remote_id, used.succeeded) == ("athena", answer.id, True)
    with pytest.raises(ConfigurationFailure, match=r"TABLE_NOT_FOUND.*gold\.nothing"):
        athena.query("SELECT * FROM nothing")
    failed = [u for u in ledger.read(settings, today - timedelta(days=1), today) if not u.succeeded]
    assert len(failed) == 1 and failed[0].dollars == 0


def test_a_query_that_scans_too_much_is_stopped(aws: Aws, settings: Settings, athena: Athena) -> None:
    aws.faults.order_job("athena", JobFault.HANGS)
    aws.services["athena"].hanging_scan = 20_000_001  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationFailure, match=r"20,000,001 bytes.*RETAIL_LAKE_ATHENA_SCAN_LIMIT is 20,000,000"):
        athena.query(SELECT)
    assert _states(aws) == ["CANCELLED"]
    today = datetime.now(UTC).date()
    (used,) = ledger.read(settings, today - timedelta(days=1), today)
    assert used.usage == {"scanned_bytes": 21_000_000} and not used.succeeded


def test_the_workgroups_own_limit_holds_and_its_absence_is_told(aws: Aws, settings: Settings) -> None:
    assert "no limit of bytes per query" in Athena(settings).unguarded()
    aws.client("athena").create_work_group(Name="guarded", Configuration={"BytesScannedCutoffPerQuery": 10_000_000})
    guarded = Athena(settings.model_copy(update={"athena_workgroup": "guarded"}))
    assert guarded.unguarded() == ""
    lower = Athena(settings.model_copy(update={"athena_workgroup": "guarded", "athena_scan_limit": 9_000_000}))
    assert "a limit of 10,000,000 bytes" in lower.unguarded()
    from moto.athena.models import athena_backends

    # No real workgroup can have so low a limit; these files are small.
    athena_backends["123456789012"]["us-east-1"].work_groups["guarded"].configuration["BytesScannedCutoffPerQuery"] = 100
    with pytest.raises(ConfigurationFailure, match=r"workgroup guarded \(BytesScannedCutoffPerQuery\).*Bytes scanned limit"):
        guarded.query(SELECT)
    with pytest.raises(ConfigurationFailure, match=r"RETAIL_LAKE_ATHENA_WORKGROUP=none"):
        Athena(settings.model_copy(update={"athena_workgroup": "none"})).query(SELECT)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A person presses Ctrl-C at the first pause."""
    from retail_lake.warehouse import athena

    class Clock:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def sleep(_: float) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(athena, "time", Clock)
    yield
    monkeypatch.undo()


def test_an_interruption_stops_the_query(aws: Aws, athena: Athena, interrupted: None) -> None:
    aws.faults.order_job("athena", JobFault.HANGS)
    with pytest.raises(KeyboardInterrupt):
        athena.query(SELECT)
    assert _states(aws) == ["CANCELLED"]


def test_a_lost_answer_starts_no_second_query(aws: Aws, athena: Athena) -> None:
    lost = aws.faults.order("athena", "StartQueryExecution", lost_answer=True)
    assert len(list(athena.query(SELECT).rows)) == len(ROWS)
    assert lost.happened == 1 and len(aws.called("athena", "StartQueryExecution")) == 2
    assert _states(aws) == ["SUCCEEDED"]


def test_each_failure_is_of_its_kind(aws: Aws, settings: Settings, athena: Athena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
    aws.faults.order("athena", "GetQueryExecution", error="ThrottlingException", times=3)
    assert len(list(athena.query(SELECT).rows)) == len(ROWS)
    aws.faults.order_job("athena", JobFault.FAILS)
    with pytest.raises(TransientFailure, match="GENERIC_INTERNAL_ERROR"):
        athena.query(SELECT)
    with pytest.raises(ConfigurationFailure, match=r"nope.*"):
        athena.query("SELECT nope FROM things")
    aws.faults.order("athena", "StartQueryExecution", error="AccessDeniedException", message="athena:StartQueryExecution")
    with pytest.raises(ConfigurationFailure, match=r"athena:StartQueryExecution.*retail-lake doctor"):
        athena.query(SELECT)
    with pytest.raises(ConfigurationFailure, match="RETAIL_LAKE_ATHENA_OUTPUT is not set"):
        Athena(settings.model_copy(update={"athena_output": ""})).query(SELECT)
    with pytest.raises(ConfigurationFailure, match="RETAIL_LAKE_OVER_BUDGET"):
        Athena(settings.model_copy(update={"budget_per_day": 0.00001})).query(SELECT)
