"""A load into Redshift: what is said to it, and what it refuses about the data."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from retail_lake.contract import Column
from retail_lake.failure import ConfigurationFailure, DataFailure
from retail_lake.jobs.description import DataFile
from retail_lake.storage import read_bytes
from retail_lake.warehouse.data_api import STATEMENT_BYTES, STATEMENTS
from retail_lake.warehouse.manifest import Alike
from retail_lake.warehouse.published import Pinned, Published
from retail_lake.warehouse.redshift import RedshiftWarehouse
from retail_lake.warehouse.redshift_load import Copied, statements
from retail_lake.warehouse.redshift_schema import Place
from retail_lake_tests.warehouse.lake_folder import DAY1, DAY2, dimension, fact
from retail_lake_tests.warehouse.worlds import NEW, OLD, OnAws, batches, by_day, load_new


def test_one_transaction_loads_a_table(loaded: OnAws) -> None:
    outcome = load_new(loaded)
    assert by_day(loaded) == NEW and outcome.total_rows == 5 and outcome.server_seconds > 0
    (batch,) = batches(loaded)
    said = [sql.split("*/ ", 1)[1] for sql in batch["Sqls"]]
    verbs = "LOCK CREATE INSERT SELECT CREATE COPY SELECT DELETE INSERT SELECT DELETE INSERT SELECT"
    assert " ".join(s.split()[0] for s in said) == verbs
    assert all(sql.startswith("/* retail-lake fact_sales run=new */") for sql in batch["Sqls"])
    assert said[5].endswith("IAM_ROLE default FORMAT AS PARQUET MANIFEST")
    assert {p["name"]: p["value"] for p in batch["Parameters"]}["run_id"] == "new"
    assert batch["WorkgroupName"] == "retail-lake" and "SecretArn" not in batch


def test_a_manifest_lists_the_changed_days_files_at_their_size(loaded: OnAws) -> None:
    load_new(loaded)
    copied = next(sql for sql in batches(loaded)[0]["Sqls"] if " COPY " in sql)
    manifest = json.loads(read_bytes(copied.split("'")[1], loaded.settings))
    expected = [(f.uri, True, f.size) for day in (DAY1, DAY2) for f in loaded.lake.files[day]]
    assert [(e["url"], e["mandatory"], e["meta"]["content_length"]) for e in manifest["entries"]] == expected
    assert copied.split("'")[1].startswith(f"{loaded.settings.artifacts_uri}/jobs/load-")


def test_a_secret_a_cluster_and_a_role_are_used_as_set(loaded: OnAws) -> None:
    arn = "arn:aws:iam::123456789012:role/copies"
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:redshift-AbCdEf"
    changes = {"redshift_workgroup": "", "redshift_cluster": "retail-lake", "redshift_secret": secret, "redshift_role": arn}
    RedshiftWarehouse(loaded.settings.model_copy(update=changes)).load(fact(), None, loaded.lake, run_id="new")
    (batch,) = batches(loaded)
    assert batch["ClusterIdentifier"] == "retail-lake" and batch["SecretArn"] == secret and "WorkgroupName" not in batch
    assert f"IAM_ROLE '{arn}' " in next(sql for sql in batch["Sqls"] if " COPY " in sql)


def test_the_layout_is_the_contract_s(on_aws: OnAws) -> None:
    on_aws.lake.sales(DAY1, 1)
    wide = replace(fact(), distribute_by="basket_id", sort_by=("sale_date", "basket_id"))
    on_aws.warehouse.load(wide, None, on_aws.lake, run_id="one")
    on_aws.warehouse.load(fact(name="plain"), None, on_aws.lake, run_id="one")
    on_aws.lake.files = {}
    on_aws.warehouse.load(replace(dimension(), key=("store_id",)), None, on_aws.lake, run_id="one")
    created = {sql.split('"')[3]: sql for b in batches(on_aws) for sql in b["Sqls"] if 'TABLE IF NOT EXISTS "gold".' in sql}
    assert created["fact_sales"].endswith(') DISTSTYLE KEY DISTKEY ("basket_id") SORTKEY ("sale_date", "basket_id")')
    assert created["plain"].endswith(') DISTSTYLE AUTO SORTKEY ("sale_date")')
    assert created["dim_store"].endswith(') DISTSTYLE AUTO SORTKEY ("store_id")')


def test_many_days_stay_within_what_a_transaction_may_have() -> None:
    days = {DAY1 + timedelta(days=i): Published((DataFile(uri=f"s3://b/{i}", rows=i, size=1),)) for i in range(5_000)}
    todo = Pinned(fact(), 2**62, days, complete=False).against({})
    copied = [Copied(Alike(("sale_date", "basket_id", "sales_value"), ()), f"s3://b/{i}") for i in range(4)]
    made = statements(todo, {}, copied, Place("gold", "fact_sales"), "default")
    assert len(made) <= STATEMENTS
    assert max(len(s.sql.encode()) for s in made) < STATEMENT_BYTES - 1_000


def test_too_much_for_a_transaction_is_refused_before_it_is_sent(on_aws: OnAws) -> None:
    files = [Column(f"c{i}", "bigint", "C.") for i in range(12)]
    for i in range(12):
        on_aws.lake.sales(DAY1 + timedelta(days=i), 1, extra="".join(f", 1::BIGINT AS c{n}" for n in range(i)))
    with pytest.raises(ConfigurationFailure, match="40 statements"):
        on_aws.warehouse.load(fact(*files), None, on_aws.lake, run_id="one")
    on_aws.warehouse.load(fact(*files), [DAY1, DAY2], on_aws.lake, run_id="two")
    assert [day for day, *_ in by_day(on_aws)] == [DAY1, DAY2]


def test_a_table_of_many_columns_is_created_and_described(on_aws: OnAws) -> None:
    columns = [Column(f"c{i}", "bigint", f"Column {i}.") for i in range(60)]
    on_aws.lake.sales(DAY1, 1)
    on_aws.warehouse.load(fact(*columns), None, on_aws.lake, run_id="one")
    assert on_aws.comments("fact_sales")["c59"] == "Column 59."
    on_aws.aws.calls.clear()
    assert on_aws.warehouse.load(fact(*columns), None, on_aws.lake, run_id="two").unchanged
    assert batches(on_aws) == []


def test_a_published_file_that_is_gone_is_said(loaded: OnAws) -> None:
    (file,) = loaded.lake.files[DAY2]
    loaded.lake.files[DAY2] = [file.model_copy(update={"uri": f"{file.uri}.gone"})]
    with pytest.raises(DataFailure, match=r"\.gone is gone"):
        load_new(loaded)


def test_a_file_of_another_size_than_published_is_refused(loaded: OnAws) -> None:
    (file,) = loaded.lake.files[DAY2]
    loaded.lake.files[DAY2] = [file.model_copy(update={"size": file.size - 1})]
    with pytest.raises(DataFailure, match="content_length"):
        load_new(loaded)
    assert by_day(loaded) == OLD


def test_a_text_that_is_too_long_is_refused(on_aws: OnAws) -> None:
    on_aws.lake.sales(DAY1, 1, extra=", repeat('é', 40000) AS note")
    with pytest.raises(DataFailure, match="longer than the length defined"):
        on_aws.warehouse.load(fact(Column("note", "string", "N.")), None, on_aws.lake, run_id="one")
    assert by_day(on_aws) == []


def test_rows_of_a_day_that_somebody_added_by_hand_are_replaced(loaded: OnAws) -> None:
    loaded.redshift.sql(f"INSERT INTO gold.fact_sales SELECT DATE '{DAY2}', 1, 5")
    load_new(loaded)
    assert by_day(loaded) == NEW
