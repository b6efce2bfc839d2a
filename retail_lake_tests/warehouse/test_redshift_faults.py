"""Whatever happens on the way of a load into Redshift: nothing is half-visible, nothing doubled, and a repeat makes it right."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from retail_lake.failure import ConfigurationFailure, DataFailure, TransientFailure
from retail_lake.warehouse import data_api, redshift
from retail_lake.warehouse.data_api import DataApi
from retail_lake.warehouse.redshift import RedshiftWarehouse
from retail_lake_tests.aws.redshift_runs import SERIALIZATION, Fault
from retail_lake_tests.warehouse.lake_folder import DAY1, DAY2, fact
from retail_lake_tests.warehouse.worlds import NEW, OLD, OnAws, batches, by_day, load_new, runs


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looks at what another writer did."""
    monkeypatch.setattr(redshift, "FIRST_PAUSE", 0.02)


def test_a_failure_between_any_two_statements_leaves_the_old_state(loaded: OnAws) -> None:
    ledger = loaded.ledger("fact_sales")
    places = 14
    for at in range(1, places + 1):
        loaded.redshift.fault(Fault(at=at, cut=True))
        with pytest.raises(TransientFailure, match="connection"):
            load_new(loaded)
        assert (by_day(loaded), loaded.ledger("fact_sales")) == (OLD, ledger), f"before statement {at}"
    assert {len(b["Sqls"]) for b in batches(loaded)} == {places - 1}
    load_new(loaded)
    assert by_day(loaded) == NEW


class _Gone(BaseException):
    """The client is no more: nobody waits, nobody cancels."""


def test_a_client_killed_at_any_statement_does_no_harm(loaded: OnAws, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = DataApi._wait

    def abandon(api: DataApi, submitted: str, sent: list[Any]) -> Any:
        if "run=killed" in api.name and len(sent) > 1:
            raise _Gone
        return wait(api, submitted, sent)

    monkeypatch.setattr(DataApi, "_wait", abandon)
    for at in range(1, 15):
        loaded.lake.sales(DAY1, 4 + at)
        before = by_day(loaded)
        held = loaded.redshift.fault(Fault(at=at, hold=True))
        with pytest.raises(_Gone):
            load_new(loaded, "killed")
        assert held.reached.wait(20)
        assert by_day(loaded) == before, f"before statement {at}"
        with ThreadPoolExecutor() as pool:
            again = pool.submit(load_new, loaded, "again")
            # Time to look, and to stand before the lock.
            time.sleep(0.1)
            held.released.set()
            again.result(30)
        assert (DAY1, 4 + at) in [(day, rows) for day, rows, _ in by_day(loaded)]
        assert len(runs(loaded)) == 2
        assert loaded.rows("SELECT count(*) FROM fact_sales") == [(5 + at,)]
    assert loaded.redshift.running() == []


KILLED = """
    import pickle, sys
    from retail_lake.warehouse.redshift import RedshiftWarehouse
    from retail_lake_tests.warehouse.lake_folder import fact

    lake = pickle.loads(bytes.fromhex(sys.argv[1]))
    RedshiftWarehouse(lake.settings).load(fact(), None, lake, run_id="killed")
"""


def test_a_process_killed_while_redshift_copies_has_loaded_once(loaded: OnAws) -> None:
    held = loaded.redshift.fault(Fault(at=7, hold=True))
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(KILLED), pickle.dumps(loaded.lake).hex()])
    try:
        assert held.reached.wait(30)
    finally:
        process.kill()
        process.wait()
    assert by_day(loaded) == OLD and loaded.aws.called("redshift-data", "CancelStatement") == []
    held.released.set()
    assert load_new(loaded).total_rows == 5
    assert by_day(loaded) == NEW and runs(loaded) == [(DAY1, "killed"), (DAY2, "killed")]


def test_a_lost_answer_is_asked_for_again_and_loads_once(loaded: OnAws) -> None:
    loaded.aws.faults.order("redshift-data", "BatchExecuteStatement", lost_answer=True)
    assert load_new(loaded).rows == 5
    tokens = [b["ClientToken"] for b in batches(loaded)]
    assert len(tokens) == 2 and len(set(tokens)) == 1
    assert by_day(loaded) == NEW


def test_a_second_load_waits_for_the_first_and_has_nothing_to_do(loaded: OnAws) -> None:
    held = loaded.redshift.fault(Fault(at=2, hold=True))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(load_new, loaded, "first")
        assert held.reached.wait(20)
        second = pool.submit(load_new, loaded, "second")
        while len(loaded.redshift.running()) < 2:
            time.sleep(0.02)
        held.released.set()
        outcomes = first.result(30), second.result(30)
    assert [o.unchanged for o in outcomes] == [False, True]
    assert [o.total_rows for o in outcomes] == [5, 5]
    assert by_day(loaded) == NEW and runs(loaded) == [(DAY1, "first"), (DAY2, "first")]


def test_a_load_that_was_overtaken_looks_again_and_has_nothing_to_do(loaded: OnAws) -> None:
    held = loaded.redshift.fault(Fault(at=1, hold=True))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(load_new, loaded, "slow")
        assert held.reached.wait(20)
        assert load_new(loaded, "quick").rows == 5
        held.released.set()
        assert slow.result(30).unchanged
    assert by_day(loaded) == NEW and runs(loaded) == [(DAY1, "quick"), (DAY2, "quick")]


def test_loads_of_other_days_at_once_are_both_there(loaded: OnAws) -> None:
    held = loaded.redshift.fault(Fault(at=3, hold=True))
    with ThreadPoolExecutor() as pool:
        one = pool.submit(loaded.warehouse.load, fact(), [DAY1], loaded.lake, run_id="one")
        assert held.reached.wait(20)
        two = pool.submit(loaded.warehouse.load, fact(), [DAY2], loaded.lake, run_id="two")
        time.sleep(0.2)
        held.released.set()
        assert not one.result(30).unchanged and not two.result(30).unchanged
    assert by_day(loaded) == NEW and runs(loaded) == [(DAY1, "one"), (DAY2, "two")]


def test_a_load_of_another_table_does_not_wait(loaded: OnAws) -> None:
    held = loaded.redshift.fault(Fault(at=12, hold=True))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(load_new, loaded)
        assert held.reached.wait(20)
        other = loaded.warehouse.load(fact(name="other"), None, loaded.lake, run_id="other")
        assert other.rows == 5 and not slow.done()
        held.released.set()
        slow.result(30)
    assert by_day(loaded) == NEW


def test_a_new_table_is_made_once_by_two_loads(on_aws: OnAws) -> None:
    on_aws.lake.sales(DAY1, 3)
    both = threading.Barrier(2)

    def load(run_id: str) -> Any:
        both.wait(10)
        return RedshiftWarehouse(on_aws.settings).load(fact(), None, on_aws.lake, run_id=run_id)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(load, ["one", "two"]))
    assert sorted(o.unchanged for o in outcomes) == [False, True]
    assert by_day(on_aws) == OLD


def test_another_writer_s_conflict_is_met_again_until_it_is_gone(loaded: OnAws) -> None:
    loaded.redshift.fault(Fault(at=8, error=SERIALIZATION, times=2))
    assert load_new(loaded).rows == 5
    assert by_day(loaded) == NEW and len(batches(loaded)) == 3


def test_a_conflict_that_does_not_end_is_said(loaded: OnAws) -> None:
    loaded.redshift.fault(Fault(at=8, error=SERIALIZATION, times=redshift.ATTEMPTS))
    with pytest.raises(TransientFailure, match="Serializable isolation violation"):
        load_new(loaded)
    assert by_day(loaded) == OLD


def test_a_real_conflict_with_somebody_s_update_is_retried(loaded: OnAws) -> None:
    held = loaded.redshift.fault(Fault(at=8, hold=True))
    with ThreadPoolExecutor() as pool:
        load = pool.submit(load_new, loaded)
        assert held.reached.wait(20)
        loaded.redshift.sql("UPDATE gold.fact_sales SET sales_value = 0")
        held.released.set()
        load.result(30)
    assert by_day(loaded) == NEW


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ("ActiveStatementsExceededException", TransientFailure),
        ("AccessDeniedException", ConfigurationFailure),
    ],
)
def test_a_refused_request_is_the_failure_it_is(loaded: OnAws, error: str, failure: type[Exception]) -> None:
    loaded.aws.faults.order("redshift-data", "BatchExecuteStatement", error=error)
    with pytest.raises(failure, match=error):
        load_new(loaded)
    assert by_day(loaded) == OLD


def test_throttling_is_waited_out(loaded: OnAws) -> None:
    for operation in ("ExecuteStatement", "BatchExecuteStatement", "DescribeStatement", "GetStatementResult"):
        loaded.aws.faults.order("redshift-data", operation, error="ThrottlingException")
    assert load_new(loaded).rows == 5


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        ("ERROR: permission denied for schema gold", ConfigurationFailure),
        ("ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1", ConfigurationFailure),
        ("ERROR: S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown", TransientFailure),
        ("ERROR: Spectrum Scan Error\n  Detail: incompatible Parquet schema for column 's3://b/k.a'", DataFailure),
        ("ERROR: Numeric data overflow (result precision)", DataFailure),
        ("ERROR: something that nobody has seen", RuntimeError),
    ],
)
def test_what_redshift_says_is_the_failure_it_is(loaded: OnAws, said: str, failure: type[Exception]) -> None:
    loaded.redshift.fault(Fault(at=6, error=said))
    with pytest.raises(failure) as error:
        load_new(loaded)
    assert type(error.value) is failure and said.split("\n")[0].removeprefix("ERROR: ") in str(error.value)
    assert "COPY" in str(error.value) and by_day(loaded) == OLD


def test_an_interrupted_load_is_cancelled(loaded: OnAws, monkeypatch: pytest.MonkeyPatch) -> None:
    held = loaded.redshift.fault(Fault(at=7, hold=True))

    def interrupted(_: float) -> None:
        if held.reached.is_set():
            raise KeyboardInterrupt
        time.sleep(0.02)

    monkeypatch.setattr(data_api, "time", SimpleNamespace(sleep=interrupted, monotonic=time.monotonic))
    with pytest.raises(KeyboardInterrupt):
        load_new(loaded)
    monkeypatch.undo()
    assert len(loaded.aws.called("redshift-data", "CancelStatement")) == 1
    assert by_day(loaded) == OLD
    load_new(loaded)
    assert by_day(loaded) == NEW


def test_a_load_that_does_not_end_is_given_up(loaded: OnAws) -> None:
    loaded.redshift.fault(Fault(at=7, hold=True))
    hasty = RedshiftWarehouse(loaded.settings.model_copy(update={"job_timeout": 0.5}))
    with pytest.raises(TransientFailure, match="did not end within"):
        hasty.load(fact(), None, loaded.lake, run_id="hasty")
    assert len(loaded.aws.called("redshift-data", "CancelStatement")) == 1
    load_new(loaded)
    assert by_day(loaded) == NEW
