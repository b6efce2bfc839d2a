"""What the table says of faults that happened, of those that came too late, and of those that could not happen at all."""

from __future__ import annotations

from collections import Counter

from retail_lake_tests.faults.rounds import Outcome
from retail_lake_tests.faults.table import show


def test_every_kind_has_a_row_and_one_that_was_never_tried_says_why() -> None:
    on_s3 = Outcome(Counter({"run killed": 2, "S3 server killed": 1}), Counter({"run killed": 2}))
    local = Outcome(Counter({"run killed": 1, "disk full": 0}), Counter({"run killed": 1}), different=["a day"])
    none = dict.fromkeys(["run killed", "S3 server killed", "disk full", "daemon killed"], "not possible here")
    rows = [line.split("  ") for line in show([on_s3, local], none | {"clock slow": "not asked for"}).splitlines()]
    told = {row[0].strip(): [word.strip() for word in row[1:] if word.strip()] for row in rows}
    assert told["run killed"] == ["3", "3"]
    assert told["S3 server killed"] == ["1", "0"]
    assert told["disk full"] == ["0", "0"], "it was to happen, and came too late"
    assert told["daemon killed"] == ["0", "0", "not possible here"]
    assert told["clock slow"] == ["0", "0", "not asked for"]
    assert told["all"] == ["4", "3"]
    assert told["days that differ"] == ["1"]
