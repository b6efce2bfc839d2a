"""Verdicts as they are reported: exact numbers, words, severities, days without rows and rules outside the grouped audit."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial

import pytest

from retail_lake.contract import Rule, expect
from retail_lake.quality.masking import MASK, mask_row
from retail_lake.quality.verdicts import verdicts
from retail_lake_tests.quality.measured import SCHEMA, TABLE, Row, audited, frame_of

_FIRST, _SECOND, _CHRISTMAS = date(2017, 1, 1), date(2017, 1, 2), date(2017, 12, 25)


def _row(day: date, **values: object) -> Row:
    return {**dict.fromkeys(SCHEMA.names), "day": day, **values}


def test_one_bad_day_stands_out_and_a_day_without_rows_is_judged() -> None:
    rules = [
        expect.column_values_to_be_between("i", min_value=0, mostly=0.75, severity="warning"),
        expect.table_row_count_to_be_between(min_value=1),
        expect.column_sum_to_be_between("cents", max_value=0.3),
    ]
    rows = [_row(_FIRST, i=i, cents=Decimal("0.10")) for i in (-1, 0, 1, 2)]
    rows[3]["cents"] = None
    rows += [_row(_SECOND, i=i, cents=Decimal("0.10")) for i in (-1, -2, None, 2)]
    found = verdicts(TABLE, [_FIRST, _SECOND, _CHRISTMAS], audited(rows, rules), partial(frame_of, rows), rules)

    assert {day: [v.success for v in of_day] for day, of_day in found.items()} == {
        _FIRST: [True, True, True],  # three dimes are 0.3 exactly, though not for floats
        _SECOND: [False, True, False],
        _CHRISTMAS: [True, False, True],
    }
    between, count, total = found[_SECOND]
    assert (between.severity, between.judged, between.unexpected) == ("warning", 3, 2)
    assert between.details == "observed 66.7 % unexpected of 3, tolerated 25 %"
    assert (count.severity, count.observed, count.details) == ("critical", "4", "observed 4, expected at least 1")
    assert total.observed == "0.40"
    assert found[_CHRISTMAS][0].details == "no rows to judge"


def test_an_unpartitioned_table_is_judged_as_a_whole() -> None:
    rules = [expect.column_values_to_be_unique("i"), expect.column_max_to_be_between("d", max_value="2017-01-31")]
    rows = [_row(_FIRST, i=1, d=date(2017, 1, 31)), _row(_SECOND, i=1)]
    found = verdicts(TABLE, [None], audited(rows, rules, day=None), partial(frame_of, rows), rules)
    assert [(v.success, v.unexpected, v.observed) for v in found[None]] == [(False, 2, None), (True, None, "2017-01-31")]
    empty = verdicts(TABLE, [None], audited([], rules, day=None), partial(frame_of, []), rules)
    assert [v.success for v in empty[None]] == [True, False]


def test_a_rule_outside_the_grouped_audit_is_judged_on_the_days_rows(caplog: pytest.LogCaptureFixture) -> None:
    rules = [expect.column_values_to_be_increasing("i"), expect.column_values_to_not_be_null("i")]
    rows = [_row(_FIRST, i=1), _row(_FIRST, i=2), _row(_SECOND, i=2), _row(_SECOND, i=1)]
    found = verdicts(TABLE, [_FIRST, _SECOND], audited(rows, rules), partial(frame_of, rows), rules)
    assert [[v.success for v in found[day]] for day in (_FIRST, _SECOND)] == [[True, True], [False, True]]
    (said,) = (r.getMessage() for r in caplog.records if r.name.startswith("retail_lake"))
    assert "slow" in said
    assert "i__be_increasing" in said


def test_a_rule_that_the_library_cannot_judge_is_broken_and_says_why() -> None:
    rule = expect.column_values_to_be_dateutil_parseable("i")
    found = verdicts(TABLE, [_FIRST], [], partial(frame_of, [_row(_FIRST, i=1)]), [rule])
    (verdict,) = found[_FIRST]
    assert not verdict.success
    assert verdict.details is not None
    assert verdict.details.startswith("could not be judged: ")


@pytest.mark.parametrize(
    "rule", [expect.column_min_to_be_between("i", min_value=0), expect.column_max_to_be_between("i", min_value=0)]
)
def test_a_personal_value_is_not_shown(rule: Rule) -> None:
    table = replace(TABLE, columns=tuple(replace(c, pii=c.name == "i") for c in TABLE.columns))
    rows = [_row(_FIRST, i=4711)]
    (verdict,) = verdicts(table, [_FIRST], audited(rows, [rule]), partial(frame_of, rows), [rule])[_FIRST]
    assert verdict.success
    assert verdict.observed == MASK
    assert "4711" not in str(verdict)
    assert mask_row(table, {"i": 4711, "j": 5, "s": None}) == {"i": MASK, "j": "5", "s": None}
    assert mask_row(table, {"i": None}) == {"i": None}
