"""The lake in the Glue Data Catalog: publishers in each other's way, lost answers, and what Glue shows of a table."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retail_lake.config import Settings
from retail_lake.contract import Column, Table
from retail_lake.demo.serve import serve
from retail_lake.failure import ConfigurationFailure, TransientFailure
from retail_lake.lake import publish as module
from retail_lake.lake.lake import PUBLICATIONS, Lake
from retail_lake.lake.publish import publish
from retail_lake.tables import TABLES
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.lake import chain
from retail_lake_tests.lake.staged import DAYS, DIM, INPUT, SHELF, items, staged, visible
from retail_lake_tests.lake.test_s3 import whenever_landed

DAY1, DAY2, *_ = DAYS
UPDATE = "_update_glue_table"


@pytest.fixture(autouse=True)
def catalog(aws: Aws, by_hand: None) -> Aws:
    """An empty Glue, and the tables of `staged`."""
    aws.reset()
    return aws


def in_glue(home: Path, catalog_uri: str = "glue") -> Lake:
    """A lake with its files in a folder: as another process would open it."""
    return Lake(Settings(home=home, catalog_uri=catalog_uri, first_day=DAYS[0], last_day=DAYS[-1]))


def shown(aws: Aws, name: str) -> dict[str, Any]:
    """What Glue says of a table."""
    database, table = name.split(".")
    found: dict[str, Any] = aws.client("glue").get_table(DatabaseName=database, Name=table)["Table"]
    return found


def conflicts(aws: Aws, name: str) -> int:
    """How many commits of a table were based on a version that another commit was based on too."""
    database, table = name.split(".")
    of_table = [u for u in aws.called("glue", "UpdateTable") if (u["DatabaseName"], u["TableInput"]["Name"]) == (database, table)]
    return sum(n - 1 for n in Counter(u["VersionId"] for u in of_table).values())


def _before_the_next(monkeypatch: pytest.MonkeyPatch, lake: Lake, act: Callable[[], object], table: Table) -> None:
    """Act once, when the lake is about to tell Glue of its commit to that table."""
    original = getattr(lake.catalog, UPDATE)

    def wrapper(**told: object) -> object:
        if f"{told['database_name']}.{told['table_name']}" == table.full_name:
            monkeypatch.setattr(lake.catalog, UPDATE, original)
            act()
        return original(**told)

    monkeypatch.setattr(lake.catalog, UPDATE, wrapper)


@pytest.mark.parametrize("theirs", [1, 3], ids=["they are older", "they are newer"])
def test_of_two_publishers_of_a_day_the_newer_inputs_win(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: int
) -> None:
    lake, other = in_glue(tmp_path), in_glue(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 9), DAY2: items(DAY2, 9)}, sequence=0))
    them = staged(other, SHELF, {DAY1: items(DAY1, theirs)}, sequence=theirs)
    _before_the_next(monkeypatch, lake, lambda: publish(other, *them), SHELF)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 2), DAY2: items(DAY2, 2)}, sequence=2))
    won = max(2, theirs)
    assert visible(in_glue(tmp_path), SHELF) == {DAY1: [won], DAY2: [2]}
    known = {p.day: p.input_sequences[INPUT] for p in in_glue(tmp_path).publications(SHELF.full_name)}
    assert known == {DAY1: won, DAY2: 2}
    assert conflicts(aws, SHELF.full_name) >= 1


def test_publishers_of_different_days_lose_nothing(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, other = in_glue(tmp_path), in_glue(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAYS[2]: items(DAYS[2], 3)}))
    them = staged(other, SHELF, {DAY2: items(DAY2, 2)})
    _before_the_next(monkeypatch, lake, lambda: publish(other, *them), SHELF)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}))
    assert visible(in_glue(tmp_path), SHELF) == {DAY1: [1], DAY2: [2], DAYS[2]: [3]}
    assert {p.day for p in in_glue(tmp_path).publications()} == {DAY1, DAY2, DAYS[2]}
    assert conflicts(aws, SHELF.full_name) >= 1


PUBLISH = """
import sys
from pathlib import Path
from retail_lake.lake import publish as module
from retail_lake_tests.lake import staged as by
from retail_lake_tests.lake.test_glue import in_glue

module.TABLES = by.TABLES
number = int(sys.argv[2])
lake = in_glue(Path(sys.argv[1]))
own, shared = by.DAYS[number], by.DAYS[4]
for round in range(1, 4):
    sequence = round * 10 + number
    rows = {own: by.items(own, sequence), shared: by.items(shared, sequence)}
    module.publish(lake, *by.staged(lake, by.SHELF, rows, sequence=sequence))
"""


def test_two_processes_publish_at_once(aws: Aws, tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", PUBLISH, str(tmp_path), str(n)], stderr=subprocess.PIPE) for n in (1, 2)]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    lake = in_glue(tmp_path)
    assert visible(lake, SHELF) == {DAYS[1]: [31], DAYS[2]: [32], DAYS[4]: [32]}
    known = {p.day: p.input_sequences[INPUT] for p in lake.publications()}
    assert known == {DAYS[1]: 31, DAYS[2]: 32, DAYS[4]: 32}


@pytest.mark.parametrize("name", [SHELF.full_name, PUBLICATIONS])
def test_a_commit_whose_answer_got_lost_is_no_conflict(aws: Aws, tmp_path: Path, name: str) -> None:
    lake = in_glue(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}))
    table = name.split(".")[1]
    lost = aws.faults.order("glue", "UpdateTable", lost_answer=True, where=lambda p: p["TableInput"]["Name"] == table)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 2)}, sequence=2))
    assert lost.happened == 1 and conflicts(aws, name) == 1
    again = in_glue(tmp_path)
    assert visible(again, SHELF) == {DAY1: [1], DAY2: [2]}
    assert {p.day: p.input_sequences[INPUT] for p in again.publications()} == {DAY1: 2, DAY2: 2}
    # Every manifest of every snapshot is still there: nothing was cleaned up as if it had been refused.
    stored = again.stored(name)
    assert stored and all(
        list(m.fetch_manifest_entry(stored.io)) is not None for s in stored.snapshots() for m in s.manifests(stored.io)
    )


def test_throttling_passes_and_a_refusal_says_what_to_do(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
    lake = in_glue(tmp_path)
    for operation in ("CreateDatabase", "CreateTable", "UpdateTable", "GetTable"):
        aws.faults.order("glue", operation, error="ThrottlingException", message="Rate exceeded", times=2)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}))
    assert visible(lake, SHELF) == {DAY1: [1]} and aws.faults.pending() == []
    aws.faults.order("glue", "UpdateTable", error="AccessDeniedException", message="not authorized to perform: glue:UpdateTable")
    with pytest.raises(ConfigurationFailure, match=r"CATALOG_URI.*glue:UpdateTable.*retail-lake doctor"):
        publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 2)}, sequence=2))
    aws.faults.order("glue", "GetTable", error="ThrottlingException", message="Rate exceeded", times=100)
    with pytest.raises(TransientFailure, match="Rate exceeded"):
        lake.stored(SHELF.full_name)
    aws.faults.clear()
    assert visible(lake, SHELF) == {DAY1: [1]}


def test_glue_shows_columns_with_comments_and_follows_the_contract(aws: Aws, tmp_path: Path) -> None:
    lake = in_glue(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}))
    before = shown(aws, SHELF.full_name)
    columns = [(c["Name"], c["Type"], c["Comment"]) for c in before["StorageDescriptor"]["Columns"]]
    assert columns == [
        ("day", "date", "The day."),
        ("item", "bigint", "The item."),
        ("price", "decimal(10,2)", "Its price in dollars."),
    ]
    assert before["Parameters"]["table_type"] == "ICEBERG" and before["Description"] == SHELF.description
    long = "Where it stood: " + "a long word about the aisle, " * 20
    wider = replace(SHELF, columns=(*SHELF.columns, Column("aisle", "string", long)), description="Another description.")
    stored = lake.ensure(wider)
    after = shown(aws, SHELF.full_name)
    name, comment = (after["StorageDescriptor"]["Columns"][-1][k] for k in ("Name", "Comment"))
    assert name == "aisle" and comment.startswith("Where it stood: a long word") and 200 < len(comment.encode()) <= 255
    assert after["Description"] == "Another description." and stored.schema().find_field("aisle").doc == long
    assert visible(in_glue(tmp_path), SHELF) == {DAY1: [1]}
    updates = aws.called("glue", "UpdateTable")
    assert updates and all(u["SkipArchive"] and u["VersionId"] for u in updates)


def test_another_account_is_asked_for_by_its_id(aws: Aws, tmp_path: Path) -> None:
    lake = in_glue(tmp_path, "glue://123456789012")
    publish(lake, *staged(lake, DIM, {None: items(None, 5)}))
    assert {call.params.get("CatalogId") for call in aws.calls if call.service == "glue"} == {"123456789012"}
    assert visible(in_glue(tmp_path), DIM) == {None: [5]}


@pytest.mark.full
def test_on_s3_the_tables_are_those_of_a_local_run(
    aws: Aws, landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TABLES", TABLES)
    bucket, endpoint = aws.s3.bucket, aws.s3.endpoint
    where = {"lake_uri": f"s3://{bucket}/glue/lake", "s3_endpoint": endpoint, "catalog_uri": "glue"}
    lake = Lake(chain.settings(tmp_path, f"s3://{bucket}/glue/landing", **where))
    serve(lake.settings.landing_uri, tmp_path / "ledger", chain.DAYS[0], len(chain.DAYS), s3_endpoint=endpoint)
    tables = sorted({*chain.upstream("gold.dim_store"), *chain.upstream("silver.redemptions")}, key=list(TABLES).index)
    chain.build(lake, chain.DAYS, tables)
    local = Lake(chain.settings(tmp_path / "local", landing))
    chain.build(local, chain.DAYS, tables)
    there, here = ({n: whenever_landed(rows) for n, rows in chain.contents(found, tables).items()} for found in (lake, local))
    assert there == here and all(here[name] for name in tables)
    assert {f.uri.partition("://")[0] for name in tables for f in lake.pin(name).files} == {"s3"}
    assert not (tmp_path / "catalog.db").exists()
