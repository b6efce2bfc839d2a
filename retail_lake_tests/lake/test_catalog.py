"""Which catalog an address opens, and what a catalog's troubles mean; Glue has its own module."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from retail_lake.config import Settings, load_settings
from retail_lake.failure import ConfigurationFailure, TransientFailure
from retail_lake.lake import commit
from retail_lake.lake.catalog import is_glue, open_catalog
from retail_lake.lake.commit import retried


@pytest.fixture
def rest() -> Iterator[str]:
    """A REST catalog with one namespace, as the Iceberg specification words it."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = {"/v1/config": {"defaults": {}, "overrides": {}}, "/v1/namespaces": {"namespaces": [["gold"]]}}
            body = json.dumps(known[self.path.split("?")[0]]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_rest_catalog_is_opened_by_its_address(rest: str, tmp_path: Path) -> None:
    catalog = open_catalog(Settings(home=tmp_path, catalog_uri=rest), "s3://bucket/lake")
    assert catalog.list_namespaces() == [("gold",)]
    assert (catalog.properties["warehouse"], catalog.properties["s3.region"]) == ("s3://bucket/lake", "us-east-1")


@pytest.mark.parametrize("address", ["glue://", "glue://12", "catalog.db", "glue:1234"])
def test_a_wrong_address_names_the_setting(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationFailure, match="RETAIL_LAKE_CATALOG_URI"):
        load_settings(home=str(tmp_path), catalog_uri=address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql+pymysql://me:hunter22@host/lake", "driver pymysql of mysql\\+pymysql:// is not installed"),
        ("postgres://me:hunter22@host/lake", "postgres://… is no address"),
        ("postgresql+psycopg://me:hunter22@host:port/lake", "is no address"),
    ],
)
def test_a_database_that_cannot_be_spoken_to_is_told_without_its_password(tmp_path: Path, address: str, said: str) -> None:
    with pytest.raises(ConfigurationFailure, match=f"RETAIL_LAKE_CATALOG_URI.*{said}") as raised:
        open_catalog(Settings(home=tmp_path, catalog_uri=address), "file:///nowhere")
    assert "hunter22" not in str(raised.value)


def test_glue_is_known_by_its_address() -> None:
    addresses = [
        "glue",
        "glue://123456789012",
        "sqlite:////tmp/catalog.db",
        "https://catalog",
        "postgresql+psycopg2://u:p@h/glue",
    ]
    assert [is_glue(address) for address in addresses] == [True, True, False, False, False]


def test_a_storage_that_stumbles_is_tried_again_and_one_that_refuses_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "ATTEMPTS", 3)
    tried: list[int] = []

    def stumbling() -> str:
        tried.append(1)
        if len(tried) < 3:
            raise OSError("When writing: AWS Error SLOW_DOWN during PutObject: Please reduce your request rate")
        return "written"

    def down() -> str:
        raise OSError("When reading: AWS Error NETWORK_CONNECTION during GetObject")

    def refusing() -> str:
        tried.append(1)
        raise OSError("When writing: AWS Error ACCESS_DENIED during PutObject operation: Access Denied")

    assert retried(stumbling, "publishing") == "written" and len(tried) == 3
    with pytest.raises(TransientFailure, match="publishing: it did not get through"):
        retried(down, "publishing")
    tried.clear()
    with pytest.raises(ConfigurationFailure, match="Access Denied"):
        retried(refusing, "publishing")
    assert len(tried) == 1
