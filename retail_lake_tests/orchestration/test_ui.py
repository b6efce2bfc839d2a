"""The real webserver and daemon over the real tables: the workspace loads, a day is materialized, a backfill completes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from retail_lake_tests.orchestration.dagster_servers import Server, servers_of_the_demo, wait_for

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 2)
KEYS = [["bronze", "redemptions"], ["silver", "redemptions"]]
BACKFILL = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILLED = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { __typename
  ... on PartitionBackfill { status error { message } runs(limit: 9) { id status } } ... on PythonError { message } } }"""
LATEST = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  partitionKeyConnection(limit: 120, ascending: false) { results } } } }"""
DAYS = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetPartitionStatuses { ... on TimePartitionStatuses { ranges { status startKey endKey } } }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
  assetMaterializations(limit: 9) { partition metadataEntries { label } } } } }"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    with servers_of_the_demo(home, FIRST, 2) as running:
        yield running


def _days(server: Server, key: list[str]) -> dict[str, Any]:
    return dict(server.ask(DAYS, key={"path": key})["assetNodeOrError"])


def test_the_workspace_loads_grouped_by_layer(server: Server) -> None:
    nodes = server.repository()["assetNodes"]
    groups = {n["groupName"] for n in nodes}
    assert groups == {"landing", "bronze", "silver", "gold", "warehouse", "ops"}
    assert all(n["groupName"] == n["assetKey"]["path"][0] for n in nodes)


def test_the_days_to_plot_are_those_of_the_lake(server: Server) -> None:
    asked = server.ask(LATEST, key={"path": KEYS[0]})["assetNodeOrError"]["partitionKeyConnection"]
    assert asked["results"] == [LAST.isoformat(), FIRST.isoformat()]


def test_a_day_is_materialized(server: Server) -> None:
    run_id = server.launch(KEYS, FIRST)

    assert server.wait_for_end(run_id) == "SUCCESS"
    for key in KEYS:
        told = _days(server, key)
        assert told["assetPartitionStatuses"]["ranges"] == [
            {"status": "MATERIALIZED", "startKey": FIRST.isoformat(), "endKey": FIRST.isoformat()}
        ]
        assert [m["partition"] for m in told["assetMaterializations"]] == [FIRST.isoformat()]
        assert "dagster/row_count" in {e["label"] for e in told["assetMaterializations"][0]["metadataEntries"]}
        checks = {c["name"] for c in told["assetChecksOrError"]["checks"]}
        assert {"day", "conservation"} <= checks


def test_a_backfill_of_days_completes(server: Server) -> None:
    launched = server.ask(
        BACKFILL,
        params={
            "partitionNames": [FIRST.isoformat(), LAST.isoformat()],
            "assetSelection": [{"path": key} for key in KEYS],
            "tags": [],
        },
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended() -> dict[str, Any] | None:
        told = server.ask(BACKFILLED, id=launched["backfillId"])["partitionBackfillOrError"]
        assert not told.get("error"), told
        return dict(told) if told["status"] not in ("REQUESTED", "FAILING") else None

    told = wait_for("the backfill", ended)
    assert told["status"] == "COMPLETED_SUCCESS", told
    assert [run["status"] for run in told["runs"]] == ["SUCCESS"], "one run takes the whole range"
    for key in KEYS:
        assert _days(server, key)["assetPartitionStatuses"]["ranges"] == [
            {"status": "MATERIALIZED", "startKey": FIRST.isoformat(), "endKey": LAST.isoformat()}
        ]


def test_a_failed_day_of_a_range_shows_as_that_day(server: Server, home: Path) -> None:
    """The events of the second day come again, and nobody could have redeemed them."""
    (good,) = (home / "landing" / "events" / "redemptions" / LAST.isoformat()).glob("*_v1.jsonl")
    garbage = [{"event_id": f"?{n}", "redeemed_at": f"{LAST}T18:00:00Z"} for n in range(40)]
    good.with_name(good.name.replace("_v1", "_v2")).write_text("".join(json.dumps(event) + "\n" for event in garbage))

    run_id = server.launch_range("build_days", KEYS, FIRST, LAST)

    assert server.wait_for_end(run_id) == "FAILURE"
    shown = {key[0]: _days(server, key) for key in KEYS}
    ranges = shown["silver"]["assetPartitionStatuses"]["ranges"]
    assert [(r["status"], r["startKey"], r["endKey"]) for r in ranges] == [
        ("MATERIALIZED", FIRST.isoformat(), FIRST.isoformat()),
        ("FAILED", LAST.isoformat(), LAST.isoformat()),
    ]
    assert {r["status"] for r in shown["bronze"]["assetPartitionStatuses"]["ranges"]} == {"MATERIALIZED"}
