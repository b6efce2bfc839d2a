"""The lake with its catalog in a real PostgreSQL: shared by writers, lost and recovered, and away for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from retail_lake.cli import main
from retail_lake.config import PREFIX, Settings
from retail_lake.failure import TRANSIENT, kind_of
from retail_lake.lake import commit
from retail_lake.lake import publish as module
from retail_lake.lake.catalog import open_catalog
from retail_lake.lake.lake import Lake
from retail_lake.lake.publish import publish
from retail_lake.lake.recover import Did, recover
from retail_lake_tests.aws.postgres import USER, Postgres
from retail_lake_tests.lake.staged import DAYS, DIM, SHELF, items, meanwhile, quarantined, staged, visible

DAY1, DAY2, *_ = DAYS
_NUMBERS: Final = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def address(server: Postgres, by_hand: None) -> str:
    """The address of a database of the test's own."""
    name = f"catalog_{next(_NUMBERS)}"
    with server.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://{USER}@/{name}?host={server.folder}"


@pytest.fixture
def opened(address: str, tmp_path: Path) -> Callable[[], Lake]:
    """Open the lake as another process would."""
    settings = Settings(home=tmp_path, catalog_uri=address, first_day=DAYS[0], last_day=DAYS[-1])
    return lambda: Lake(settings)


def seen(lake: Lake) -> tuple[Any, ...]:
    """All that readers and planners see."""
    return visible(lake, SHELF), visible(lake, DIM), quarantined(lake, SHELF), sorted(map(repr, lake.publications()))


def test_two_publishers_of_a_day(opened: Callable[[], Lake], monkeypatch: pytest.MonkeyPatch) -> None:
    lake, other = opened(), opened()
    ours = staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 1)}, sequence=1)
    theirs = staged(other, SHELF, {DAY1: items(DAY1, 2)}, sequence=2, refused={DAY1: 2})
    meanwhile(monkeypatch, module, "_assert_staged", lambda: publish(other, *theirs))
    assert publish(lake, *ours).status == {DAY1: "superseded", DAY2: "published"}
    assert visible(opened(), SHELF) == {DAY1: [2], DAY2: [1]}
    assert quarantined(opened(), SHELF) == {DAY1: [theirs[0].job_id] * 2}


def test_a_database_that_was_lost_is_filled_from_the_lake(server: Postgres, address: str, opened: Callable[[], Lake]) -> None:
    lake = opened()
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}, refused={DAY1: 1}))
    publish(lake, *staged(lake, DIM, {None: items(None, 7)}))
    before = seen(lake)
    lake.catalog.close()
    name = address.split("@/")[1].split("?")[0]
    with server.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    assert seen(opened()) == ({}, {}, {}, [])
    assert {each.did for each in recover(opened())} == {Did.REGISTERED}
    after = opened()
    assert seen(after) == before
    publish(after, *staged(after, SHELF, {DAY1: items(DAY1, 9)}, sequence=3))
    assert visible(opened(), SHELF) == {DAY1: [9]}


def test_a_server_that_is_away_is_a_passing_trouble(
    server: Postgres, address: str, opened: Callable[[], Lake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "ATTEMPTS", 2)
    lake = opened()
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}))
    job = staged(lake, SHELF, {DAY1: items(DAY1, 2)}, sequence=2)
    server.kill()
    try:
        for attempt in (lambda: publish(lake, *job), lambda: opened().stored(SHELF.full_name)):
            with pytest.raises(Exception) as raised:
                attempt()
            assert kind_of(raised.value) == TRANSIENT
        told = CliRunner().invoke(main, ["status"], env={f"{PREFIX}HOME": str(tmp_path), f"{PREFIX}CATALOG_URI": address})
        assert told.exit_code == 1
        assert "did not get through" in told.output and "run it again" in told.output
        assert "Traceback" not in told.output and "sqlalche" not in told.output
    finally:
        server.start()
    publish(lake, *job)
    assert visible(opened(), SHELF) == {DAY1: [2]}


def test_a_rest_catalog_that_is_away_is_a_passing_trouble(tmp_path: Path) -> None:
    with pytest.raises(Exception) as raised:
        open_catalog(Settings(home=tmp_path, catalog_uri="http://127.0.0.1:9"), "s3://bucket/lake")
    assert kind_of(raised.value) == TRANSIENT
