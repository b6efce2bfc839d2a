"""The asset graph is the one that the snapshot shows, and loading it is cheap."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import copy
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from retail_lake.config import Settings
from retail_lake.contract import Rule, expect
from retail_lake.failure import ConfigurationFailure
from retail_lake.orchestration import build_definitions
from retail_lake.orchestration.checks import describe_rule
from retail_lake_tests.orchestration.fakes import INPUTS, TABLES
from retail_lake_tests.orchestration.graph_text import SNAPSHOT, graph_text

IMPORT_SECONDS = 3.0
HEAVY = ("great_expectations", "pyspark", "pandas", "pyarrow", "pyiceberg", "boto3", "botocore", "dagster_aws")
ON_AWS = {
    "RETAIL_LAKE_PROFILE": "aws",
    "RETAIL_LAKE_REGION": "us-east-1",
    "RETAIL_LAKE_LAKE_URI": "s3://bucket/lake",
    "RETAIL_LAKE_LANDING_URI": "s3://bucket/landing",
    "RETAIL_LAKE_ARTIFACTS_URI": "s3://bucket/artifacts",
    "RETAIL_LAKE_GLUE_ROLE": "glue",
    "RETAIL_LAKE_EMR_SERVERLESS_APPLICATION": "application",
    "RETAIL_LAKE_EMR_SERVERLESS_ROLE": "emr",
    "RETAIL_LAKE_REDSHIFT_WORKGROUP": "workgroup",
}
LOAD = """
import json, sys, time
import retail_lake.definitions
print(json.dumps({"seconds": time.process_time(), "modules": [m for m in sys.argv[1:] if m in sys.modules]}))
"""


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(settings=Settings())


def test_the_graph_is_the_one_in_the_snapshot() -> None:
    assert graph_text() == SNAPSHOT.read_text(encoding="utf-8"), (
        "The asset graph changed. If that is meant: python -m retail_lake_tests.orchestration.graph_text"
    )


def test_every_asset_can_be_understood_from_the_ui(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        if spec.group_name != "landing":
            assert spec.owners, spec.key
            assert spec.kinds, spec.key
        if spec.group_name not in ("landing", "ops"):
            schema = spec.metadata["dagster/column_schema"]
            assert schema.columns, spec.key
            assert all(c.description for c in schema.columns), spec.key


def test_lineage_names_columns_that_exist(definitions: dg.Definitions) -> None:
    specs = {s.key: s for s in definitions.resolve_all_asset_specs()}
    columns = {
        key: {c.name for c in spec.metadata["dagster/column_schema"].columns}
        for key, spec in specs.items()
        if "dagster/column_schema" in spec.metadata
    }
    followed = 0
    for key, spec in specs.items():
        if (lineage := spec.metadata.get("dagster/column_lineage")) is None:
            continue
        for column, deps in lineage.deps_by_column.items():
            assert column in columns[key], (key, column)
            for dep in deps:
                assert dep.column_name in columns[dep.asset_key], (key, column, dep)
                followed += 1
    assert followed > 100
    sold = specs[dg.AssetKey(["warehouse", "fact_sales"])].metadata["dagster/column_lineage"].deps_by_column["sales_value"]
    assert [(d.asset_key.path, d.column_name) for d in sold] == [(["gold", "fact_sales"], "sales_value")]


def test_on_aws_the_graph_names_what_runs_a_table_and_where_it_is_served() -> None:
    here = {name.removeprefix("RETAIL_LAKE_").lower(): value for name, value in ON_AWS.items()}
    on_aws = build_definitions(settings=Settings(**here))  # type: ignore[arg-type]
    specs = {s.key.to_user_string(): s for s in on_aws.resolve_all_asset_specs()}
    assert specs["silver/sales"].kinds == {"iceberg", "glue", "silver"}
    assert specs["gold/fact_sales"].kinds == {"iceberg", "emr", "gold"}
    assert specs["warehouse/fact_sales"].kinds == {"redshift", "table"}
    assert specs["warehouse/fact_sales"].metadata["dagster/relation_identifier"] == "gold.fact_sales"


def test_every_sensor_runs_unless_somebody_stops_it() -> None:
    sensors = {s.name: s for s in build_definitions(settings=Settings()).sensors or ()}
    assert sensors.keys() == {"arrivals", "touched_days", "automation", "second_chance", "reaper", "alerts"}
    assert {s.default_status for s in sensors.values()} == {dg.DefaultSensorStatus.RUNNING}


@pytest.mark.parametrize("profile", [{}, ON_AWS], ids=["local", "aws"])
def test_the_webserver_can_be_told_all_of_it(profile: dict[str, str]) -> None:
    here = {name.removeprefix("RETAIL_LAKE_").lower(): value for name, value in profile.items()}
    definitions = build_definitions(settings=Settings(**here))  # type: ignore[arg-type]
    told = dg.serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    assert "daily_store_sales" in told and "second_chance" in told


def test_days_reach_from_the_first_to_the_last_of_the_settings() -> None:
    from datetime import date

    from retail_lake.orchestration.graph import Graph

    keys = Graph.of(Settings(first_day=date(2017, 3, 11), last_day=date(2017, 3, 13)), {}, {}).days.get_partition_keys()
    assert list(keys) == ["2017-03-11", "2017-03-12", "2017-03-13"]


def test_all_that_is_wrong_with_the_types_is_one_message() -> None:
    fact, mart = copy(TABLES["gold.fact"]), copy(TABLES["gold.mart"])
    object.__setattr__(fact, "sql", "SELECT id, CAST(id AS STRING) AS day FROM silver.lines")
    object.__setattr__(mart, "sql", "SELECT id FROM gold.fact")
    wrong = {**TABLES, "gold.fact": fact, "gold.mart": mart}
    with pytest.raises(ConfigurationFailure) as failure:
        build_definitions(settings=Settings(), tables=wrong, inputs=INPUTS)
    first, second = str(failure.value).splitlines()
    assert first.startswith("gold.fact: column day is date in the contract and VARCHAR in the SQL")
    assert second == "gold.mart: column day is in the contract, and not in the SQL"


@pytest.mark.parametrize("profile", [{}, ON_AWS], ids=["local", "aws"])
def test_loading_is_fast_and_light(tmp_path: Path, profile: dict[str, str]) -> None:
    environment = {**os.environ, "RETAIL_LAKE_HOME": str(tmp_path), **profile}
    found = subprocess.run([sys.executable, "-c", LOAD, *HEAVY], env=environment, capture_output=True, text=True, check=True)
    loaded = json.loads(found.stdout.splitlines()[-1])
    assert loaded["modules"] == []
    # Processor time, so that a busy machine does not fail it.
    assert loaded["seconds"] < IMPORT_SECONDS
    assert list(tmp_path.iterdir()) == [], "loading the definitions wrote something"


@pytest.mark.parametrize(
    ("name", "rule", "then"),
    [
        ("silver.lines", expect.column_values_to_not_be_null("id"), "Rows that break it go to quarantine"),
        # The job tells nothing of single rows: no grouped query measures these, and the audit comes after the split.
        ("silver.lines", expect.column_values_to_be_increasing("id"), "the day is not published"),
        ("silver.lines", expect.column_values_to_be_dateutil_parseable("card"), "the day is not published"),
        ("silver.lines", expect.column_sum_to_be_between("id", min_value=0), "the day is not published"),
        ("bronze.lines", expect.column_values_to_not_be_null("id"), "the day is not published"),
        ("gold.fact", expect.column_values_to_not_be_null("id"), "the day is not published"),
        ("silver.lines", expect.column_values_to_not_be_null("id", severity="warning"), "published with a warning"),
    ],
)
def test_a_rule_promises_quarantine_where_the_job_splits_by_it_only(name: str, rule: Rule, then: str) -> None:
    said = describe_rule(TABLES[name], rule)
    assert then in said
    assert ("quarantine" in said) == ("quarantine" in then)
