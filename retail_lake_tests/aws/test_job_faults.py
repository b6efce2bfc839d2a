"""What a test orders to happen to jobs: each fault once, on a Glue job run, in Glue's words."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from retail_lake_tests.aws.mini import Mini, until
from retail_lake_tests.aws.server import Aws

LEAVE = "import time; time.sleep(0.5); print('reported')"


@pytest.mark.parametrize(
    ("fault", "state", "message", "started"),
    [
        ("capacity", "FAILED", "Resource unavailable", False),
        ("fails", "FAILED", "RuntimeError: the test ordered this job to fail", True),
        ("out of memory", "FAILED", "Command Failed due to Out of Memory", True),
        ("driver lost", "FAILED", "Command failed with exit code 137", True),
        ("silent", "SUCCEEDED", None, True),
        ("silent after", "SUCCEEDED", None, True),
    ],
)
def test_a_job_ends_as_ordered_and_the_next_does_not(
    aws: Aws, mini: Mini, fault: str, state: str, message: str | None, started: bool
) -> None:
    mini.glue_job(mini.entry(LEAVE))
    order = aws.faults.order_job("glue", fault)
    run = mini.glue_ended(mini.glue_run(), 20)
    assert (run["JobRunState"], run.get("ErrorMessage")) == (state, message)
    job = aws.runtime.jobs[-1]
    assert "reported" not in job.text("stdout")
    assert (job.process is not None) is started
    assert job.process is None or job.process.alive() == []
    assert order.happened == 1
    assert mini.glue_ended(mini.glue_run(), 20)["JobRunState"] == "SUCCEEDED"
    assert "reported" in aws.runtime.jobs[-1].text("stdout")


def test_a_fault_can_follow_on_what_the_job_has_done(aws: Aws, mini: Mini) -> None:
    mini.glue_job(mini.entry("import time, pathlib; pathlib.Path('left').touch(); time.sleep(1000)"))
    aws.faults.order_job("glue", "driver lost", when=lambda: (aws.runtime.jobs[-1].folder / "left").exists())
    assert mini.glue_ended(mini.glue_run(), 20)["JobRunState"] == "FAILED"
    assert (aws.runtime.jobs[-1].folder / "left").exists()


def test_a_hanging_job_goes_on_when_it_is_let(aws: Aws, mini: Mini) -> None:
    mini.glue_job(mini.entry("print('done')"))
    aws.faults.order_job("glue", "hangs", where=lambda p: p["Arguments"]["--day"] == "2")
    assert mini.glue_ended(mini.glue_run(day="1"), 20)["JobRunState"] == "SUCCEEDED"
    run_id = mini.glue_run(day="2")
    with pytest.raises(TimeoutError):
        mini.glue_ended(run_id, 2)
    assert mini.glue_state(run_id)["JobRunState"] == "RUNNING"
    job = aws.runtime.jobs[-1]
    assert job.text("stdout") == ""
    job.resume()
    assert mini.glue_ended(run_id, 10)["JobRunState"] == "SUCCEEDED"
    assert job.text("stdout") == "done\n"


def test_what_runs_at_the_end_of_a_test_is_ended_with_it(aws: Aws, mini: Mini) -> None:
    mini.glue_job(mini.entry("import time; time.sleep(1000)"))
    mini.glue_run()
    process = until(lambda: aws.runtime.jobs[-1].process, lambda started: started is not None)
    aws.reset()
    assert process.alive() == []


def test_a_start_whose_answer_is_lost_has_started(aws: Aws, mini: Mini) -> None:
    mini.glue_job(mini.entry("pass"))
    aws.faults.order("glue", "StartJobRun", lost_answer=True)
    with pytest.raises(Exception, match="Connection was closed"):
        mini.glue_run(token="t-1")
    runs = aws.client("glue").get_job_runs(JobName="mini")["JobRuns"]
    assert [run["Arguments"] for run in runs] == [{"--token": "t-1"}]


def test_a_start_is_refused_for_lack_of_room(aws: Aws, mini: Mini) -> None:
    mini.glue_job(mini.entry("pass"))
    aws.faults.order("glue", "StartJobRun", error="ResourceNumberLimitExceededException", message="Exceeded maximum compute")
    with pytest.raises(ClientError, match="Exceeded maximum compute"):
        mini.glue_run()
    assert aws.runtime.jobs == []
