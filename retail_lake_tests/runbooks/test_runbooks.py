"""Every runbook, followed to the letter after the thing was really lost: the commands are those that stand on the page."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import duckdb
import pytest
from click.testing import CliRunner

from retail_lake.cli import COMMANDS, main
from retail_lake.config import load_settings
from retail_lake.engines.local import LocalEngine
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import survey
from retail_lake.materialize import materialize
from retail_lake.runbooks import pages, title
from retail_lake.storage import read_bytes, write_bytes
from retail_lake.tables import TABLES
from retail_lake.warehouse import open_warehouse
from retail_lake_tests.aws.redshift import RedshiftData
from retail_lake_tests.lake.chain import contents, records
from retail_lake_tests.s3 import S3Server

if TYPE_CHECKING:
    from retail_lake_tests.aws.server import Aws

DAY, LAST = date(2017, 1, 1), date(2017, 1, 3)
LAKE_TABLES = ["bronze.crm_stores", "silver.stores", "gold.dim_store"]
FILE = "crm/stores/2017-01-01/stores_20170101_v{version}.parquet"
STORES = """
    SELECT id::BIGINT AS store_id, name AS store_name, 'Express' AS store_format, 'East' AS region, 'Ashby' AS city,
           DATE '2003-02-01' AS opened_on, 2::BIGINT AS store_group, TIMESTAMP '2016-12-31 08:00:00' AS updated_at
    FROM (VALUES {rows}) AS t(id, name)
"""
GOOD, BAD = "(292, 'Harrow'), (293, 'Ashby'), (NULL, 'Nameless')", "(292, 'Harrow')"


class Shop:
    """A small lake in a home folder: stores from landing to the warehouse, one record in quarantine."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
        self.home = home
        given = {"HOME": home, "FIRST_DAY": DAY, "LAST_DAY": LAST, **settings}
        for name, value in given.items():
            monkeypatch.setenv(f"RETAIL_LAKE_{name}", str(value))
        self.deliver(GOOD, 1)
        self.build()

    @property
    def lake(self) -> Lake:
        """The lake, opened now."""
        return Lake(load_settings())

    def deliver(self, rows: str, version: int) -> None:
        """Land a version of the day's file."""
        file = self.home / "delivery.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        duckdb.sql(f"COPY ({STORES.format(rows=rows)}) TO '{file}' (FORMAT parquet)")
        settings = load_settings()
        write_bytes(f"{settings.landing_uri}/{FILE.format(version=version)}", file.read_bytes(), settings)

    def build(self) -> None:
        """Bring everything up to date, as a run does."""
        lake = self.lake
        for name in LAKE_TABLES:
            materialize(lake, LocalEngine(lake.settings), TABLES[name], [DAY], run_id="run")
        open_warehouse(lake.settings).load(TABLES["gold.dim_store"], None, lake, run_id="run")

    def seen(self) -> tuple[Any, ...]:
        """All that readers of lake and warehouse see, and what is recorded."""
        return contents(self.lake, LAKE_TABLES), records(self.lake), self.served()

    def served(self) -> list[tuple[Any, ...]]:
        """What readers of the warehouse see."""
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as connection:
            return sorted(connection.execute("SELECT store_id, store_name FROM dim_store").fetchall())

    def stale(self) -> dict[str, list[date | None]]:
        """What a run would build now."""
        return {name: survey(self.lake, TABLES[name], [DAY]).todo for name in LAKE_TABLES}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Everything as it should be."""
    return Shop(tmp_path, monkeypatch)


def commands(name: str) -> list[list[str]]:
    """The commands of a page, in their order."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", pages()[name], re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("retail-lake ")]


def follow(name: str, said: Mapping[str, str] | None = None, instead: Mapping[str, Callable[[], object]] | None = None) -> str:
    """Do what a page says, with what a person fills in; returns what was printed."""
    printed = []
    for arguments in commands(name):
        if act := (instead or {}).get(arguments[0]):
            act()
            continue
        result = CliRunner().invoke(main, [(said or {}).get(a, a) for a in arguments])
        assert result.exit_code == 0, (arguments, result.output, result.exception)
        printed.append(result.output)
    return "".join(printed)


def utc_now(apart: float = 0) -> str:
    """A moment as a person types it, with nothing happening for so many seconds before and after."""
    time.sleep(apart)
    now = datetime.now(UTC)
    time.sleep(apart)
    return now.isoformat(sep=" ").removesuffix("+00:00")


def test_the_command_shows_the_pages_and_each_has_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = CliRunner().invoke(main, ["runbook"]).output
    for name, text in pages().items():
        assert name in listed and title(text) in listed
        assert CliRunner().invoke(main, ["runbook", name]).output == text
        assert f"test_{name.replace('-', '_')}" in globals(), f"nobody has tried {name}"
    wrong = CliRunner().invoke(main, ["runbook", "nonsense"])
    assert wrong.exit_code == 2 and "catalog-lost" in wrong.stderr


@pytest.mark.parametrize("name", sorted(pages()))
def test_every_command_on_a_page_is_one_that_there_is(name: str) -> None:
    assert commands(name)
    for arguments in commands(name):
        assert arguments[0] in COMMANDS, arguments
        command = main.get_command(None, arguments[0])  # type: ignore[arg-type]
        assert command is not None
        options = {option for parameter in command.params for option in parameter.opts}
        assert {a for a in arguments if a.startswith("--")} <= options, arguments


def test_catalog_lost(shop: Shop) -> None:
    before = shop.seen()
    (shop.home / "catalog.db").unlink()
    assert not shop.lake.publications()
    follow("catalog-lost", {"TIME": utc_now()}, {"backfill": lambda: None})
    assert shop.seen() == before and not any(shop.stale().values())


def test_bad_publish(shop: Shop) -> None:
    before, moment = shop.seen(), utc_now()
    shop.deliver(BAD, 2)
    shop.build()
    assert shop.seen() != before
    said = {"TABLE": "bronze.crm_stores", "DAY": str(DAY), "TIME": moment}
    printed = follow("bad-publish", said, {"backfill": lambda: None})
    assert "current" in printed and "would go back" in printed and "is back" in printed
    assert not shop.stale()["bronze.crm_stores"] and shop.stale()["silver.stores"] == [DAY]
    shop.build()
    assert (contents(shop.lake, LAKE_TABLES), shop.served()) == (before[0], before[2])
    assert not any(shop.stale().values()), "what was refused stays away"
    # A corrected file is built.
    shop.deliver("(292, 'Harrow'), (293, 'Ashby'), (294, 'Corrected')", 3)
    shop.build()
    assert (294, "Corrected") in shop.served()


def test_lake_lost(shop: Shop) -> None:
    before = shop.seen()
    shutil.rmtree(shop.home / "lake")
    (shop.home / "catalog.db").unlink()
    follow("lake-lost", {"FIRST": str(DAY), "LAST": str(DAY)}, {"backfill": shop.build})
    assert shop.seen() == before


def test_warehouse_lost(shop: Shop) -> None:
    before = shop.seen()
    file = shop.home / "warehouse.duckdb"
    file.write_bytes(b"not a database any more")
    file.rename(shop.home / "damaged")
    follow("warehouse-lost", {"TABLE": "dim_store", "SELECT count(*) FROM TABLE_NAME": "SELECT count(*) FROM dim_store"})
    assert shop.seen() == before


def test_warehouse_lost_on_redshift(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema was dropped, and its ledger with it."""
    database = cast(RedshiftData, aws.services["redshift-data"])
    database.reset()
    places = {name: f"s3://{aws.s3.bucket}/{tmp_path.name}/{name}" for name in ("lake", "artifacts")}
    redshift = {"WAREHOUSE": "redshift", "REDSHIFT_WORKGROUP": "retail-lake", "POLL_SECONDS": "0.02"}
    addresses = {"LAKE_URI": places["lake"], "ARTIFACTS_URI": places["artifacts"], "S3_ENDPOINT": aws.s3.endpoint}
    shop = Shop(tmp_path, monkeypatch, **redshift, **addresses)

    def served() -> list[tuple[Any, ...]]:
        return database.sql("SELECT store_id, store_name FROM dim_store ORDER BY store_id", search_path="gold")

    before = served()
    assert {name for _, name in before} >= {"Harrow", "Ashby"}
    database.sql("DROP SCHEMA gold CASCADE; DROP SCHEMA gold_loads CASCADE")
    follow("warehouse-lost", {"TABLE": "dim_store", "SELECT count(*) FROM TABLE_NAME": "SELECT count(*) FROM dim_store"})
    assert served() == before and not open_warehouse(load_settings()).pending(TABLES["gold.dim_store"], None, shop.lake)


def test_landing_lost(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("s3", endpoint_url=s3.endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="landing")
    client.put_bucket_versioning(Bucket="landing", VersioningConfiguration={"Status": "Enabled"})
    shop = Shop(tmp_path, monkeypatch, LANDING_URI="s3://landing/retail", S3_ENDPOINT=s3.endpoint)
    before, key = shop.seen(), f"retail/{FILE.format(version=1)}"
    kept = read_bytes(f"s3://landing/{key}", load_settings())
    moment = utc_now(apart=1)  # S3 tells moments to the second
    client.delete_object(Bucket="landing", Key=key)
    assert shop.stale()["bronze.crm_stores"] == [DAY]
    printed = follow("landing-lost", {"TIME": moment})
    assert f"{key}: was deleted" in printed and "1 files are back" in printed
    assert not any(shop.stale().values()), "it is the very same version"
    # Overwritten, it comes back as a copy, and its day is built again with the same rows.
    moment = utc_now(apart=1)
    client.put_object(Bucket="landing", Key=key, Body=b"nonsense")
    client.put_object(Bucket="landing", Key=f"retail/{FILE.format(version=2)}".replace("_v2", "_v1b"), Body=b"came later")
    assert "was overwritten" in follow("landing-lost", {"TIME": moment})
    assert read_bytes(f"s3://landing/{key}", load_settings()) == kept
    client.delete_object(Bucket="landing", Key=f"retail/{FILE.format(version=2)}".replace("_v2", "_v1b"))
    shop.build()
    assert shop.served() == before[2]


def test_landing_lost_for_good(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The replica has the same keys, bytes and times, as a copy of a folder can have them and one of a bucket here cannot."""
    before, replica = shop.seen(), shop.home / "replica" / "retail"
    shutil.copytree(shop.home / "landing", replica)
    shutil.rmtree(shop.home / "landing")
    assert shop.stale()["bronze.crm_stores"] == [DAY]
    (address,) = re.findall(r"^export RETAIL_LAKE_LANDING_URI=(.+)$", pages()["landing-lost"], re.MULTILINE)
    assert address == "s3://REPLICA/PREFIX"
    monkeypatch.setenv("RETAIL_LAKE_LANDING_URI", str(replica))
    ((status,),) = [arguments for arguments in commands("landing-lost") if arguments[0] != "restore"]
    printed = CliRunner().invoke(main, [status])
    assert printed.exit_code == 0 and "bronze.crm_stores" in printed.output
    assert not any(shop.stale().values())
    shop.build()
    assert shop.seen() == before
