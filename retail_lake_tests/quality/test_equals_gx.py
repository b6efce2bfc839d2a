"""The grouped audit says of every day what stock Great Expectations says of that day's rows alone."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from retail_lake.contract import Rule, expect
from retail_lake.jobs.description import RuleVerdict
from retail_lake.quality import gx
from retail_lake.quality.supported import GROUPED, ROWS, check
from retail_lake.quality.verdicts import verdicts
from retail_lake_tests.quality.measured import DAYS, TABLE, VALUES, Row, audited, frame_of, violating

# Per expectation; the first one is always the table without rows. Stock GX takes most of the time.
_FEW, _MANY = 6, 100
_STEADY = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
_SEARCH = settings(_STEADY, max_examples=500, phases=[Phase.generate])
_CONDITIONS = (None, None, "i > 0", "s IS NOT NULL", "money >= 0.5 OR b", "d < DATE '2017-02-01'", "FALSE")
_BOUNDS: dict[str, tuple[Any, ...]] = {
    "i": (-1, 0, 1.5, 2),
    "j": (0, 1, 2),
    "money": (-0.25, 0.5, 1, 2),
    "cents": (0, 0.1, 0.3, 19.99),
    "x": (-2, 0, 0.5, 1.5),
    "d": ("2017-01-01", date(2017, 6, 30), "9999-12-31", "2017-06-29T12:00:00"),
    "ts": (datetime(2017, 1, 1), "2017-06-30T12:00:00.000001", date(2017, 6, 30), "9999-12-31"),
}
_PATTERNS = (r"^a\d$", "a", r"^[a-z]+\d?$", r"\.", "^$", "b|é", r"^\w{2}$", r"[$']", r"\\d", r"\$", r"\$$")


def _bounds(low_high: tuple[Any, ...]) -> st.SearchStrategy[dict[str, Any]]:
    def ordered(low: Any, high: Any, strict_min: bool, strict_max: bool) -> dict[str, Any]:
        kwargs = {"min_value": low, "max_value": high}
        if low is not None and high is not None and low_high.index(low) > low_high.index(high):
            kwargs = {"min_value": high, "max_value": low}
        return {k: v for k, v in kwargs.items() if v is not None} | {"strict_min": strict_min, "strict_max": strict_max}

    ends = st.sampled_from((None, *low_high))
    pairs = st.tuples(ends, ends).filter(lambda p: p != (None, None))
    return st.builds(lambda p, a, b: ordered(p[0], p[1], a, b), pairs, st.booleans(), st.booleans())


@st.composite
def _column_bounds(draw: st.DrawFn, names: str) -> tuple[str, dict[str, Any]]:
    column = draw(st.sampled_from(names.split()))
    low_high = tuple(sorted(_BOUNDS[column], key=str)) if column in ("d", "ts") else _BOUNDS[column]
    return column, draw(_bounds(low_high))


@st.composite
def _members(draw: st.DrawFn, names: str = "i cents x s b d ts") -> tuple[str, dict[str, Any]]:
    column = draw(st.sampled_from(names.split()))
    known = [v for v in VALUES[column] if v is not None and v == v]
    return column, {"value_set": draw(st.lists(st.sampled_from(known), min_size=1, max_size=4))}


def _on(columns: str, **kwargs: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.sampled_from(columns.split()), st.fixed_dictionaries(kwargs))


_PAIR_IGNORES = st.sampled_from(("both_values_are_missing", "either_value_is_missing", "neither"))
_LIST_IGNORES = st.sampled_from(("all_values_are_missing", "any_value_is_missing", "never"))
_PAIRS = st.sampled_from((("i", "j"), ("i", "money"), ("x", "i"), ("d", "ts"), ("cents", "x")))
_LISTS = st.sampled_from((("i", "j"), ("i", "j", "x"), ("s", "r"), ("d", "ts")))
_IN_PAIRS = st.lists(st.tuples(st.sampled_from(VALUES["i"]), st.sampled_from(VALUES["s"])), min_size=1, max_size=6)
_PATTERN, _PATTERN_LIST = st.sampled_from(_PATTERNS), st.lists(st.sampled_from(_PATTERNS), min_size=1, max_size=3)
_COUNT = st.integers(0, 4)

# For each expectation of the grouped audit: its columns and arguments.
_ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    "column_values_to_not_be_null": _on("i cents x s b d ts items"),
    "column_values_to_be_null": _on("i cents x s b d ts items"),
    "column_values_to_be_between": _column_bounds("i j money cents x d ts"),
    "column_values_to_be_in_set": _members(),
    "column_values_to_not_be_in_set": _members(),
    "column_values_to_match_regex": _on("s", regex=_PATTERN),
    "column_values_to_not_match_regex": _on("s", regex=_PATTERN),
    "column_values_to_match_regex_list": _on("s", regex_list=_PATTERN_LIST, match_on=st.sampled_from(("any", "all"))),
    "column_values_to_not_match_regex_list": _on("s", regex_list=_PATTERN_LIST),
    "column_value_lengths_to_be_between": st.tuples(st.just("s"), _bounds((0, 1, 2, 3))),
    "column_value_lengths_to_equal": _on("s", value=_COUNT),
    "column_values_to_be_unique": _on("i cents x s d ts"),
    "compound_columns_to_be_unique": st.tuples(_LISTS, st.fixed_dictionaries({"ignore_row_if": _LIST_IGNORES})),
    "multicolumn_values_to_be_equal": st.tuples(_LISTS, st.fixed_dictionaries({"ignore_row_if": _LIST_IGNORES})),
    "select_column_values_to_be_unique_within_record": st.tuples(_LISTS, st.fixed_dictionaries({"ignore_row_if": _LIST_IGNORES})),
    "column_pair_values_a_to_be_greater_than_b": st.tuples(
        _PAIRS, st.fixed_dictionaries({"ignore_row_if": _PAIR_IGNORES, "or_equal": st.booleans()})
    ),
    "column_pair_values_to_be_equal": st.tuples(
        st.one_of(_PAIRS, st.just(("s", "r"))), st.fixed_dictionaries({"ignore_row_if": _PAIR_IGNORES})
    ),
    "column_pair_values_to_be_in_set": st.tuples(
        st.just(("i", "s")), st.fixed_dictionaries({"ignore_row_if": _PAIR_IGNORES, "value_pairs_set": _IN_PAIRS})
    ),
    "table_row_count_to_be_between": st.tuples(st.just(()), _bounds((0, 1, 2, 4))),
    "table_row_count_to_equal": st.tuples(st.just(()), st.fixed_dictionaries({"value": _COUNT})),
    "column_min_to_be_between": _column_bounds("i j money cents x d ts"),
    "column_max_to_be_between": _column_bounds("i j money cents x d ts"),
    "column_sum_to_be_between": _column_bounds("i j money x"),
    "column_mean_to_be_between": _column_bounds("i j money x"),
    "column_unique_value_count_to_be_between": st.tuples(st.sampled_from("ixsd"), _bounds((0, 1, 2, 3))),
    "column_proportion_of_unique_values_to_be_between": st.tuples(st.sampled_from("ixsd"), _bounds((0.0, 0.5, 0.75, 1.0))),
    "column_proportion_of_non_null_values_to_be_between": st.tuples(st.sampled_from("ixsd"), _bounds((0.0, 0.5, 0.75, 1.0))),
    "column_distinct_values_to_be_in_set": _members(),
    "column_distinct_values_to_contain_set": _members(),
    "column_distinct_values_to_equal_set": _members(),
}
_TOLERANT = {t.removeprefix("expect_") for t in ROWS} | {"column_values_to_be_unique", "compound_columns_to_be_unique"}

_ROW = st.fixed_dictionaries({"day": st.sampled_from(DAYS), **{c: st.sampled_from(v) for c, v in VALUES.items()}})
_ROWS = st.one_of(st.just([]), st.lists(_ROW, max_size=2), st.lists(_ROW, min_size=8, max_size=16))


@st.composite
def _rules(draw: st.DrawFn, name: str) -> Rule:
    columns, kwargs = draw(_ARGUMENTS[name])
    mostly = draw(st.sampled_from((1.0, 0.75, 0.5, 0.0))) if name in _TOLERANT else 1.0
    named = (columns,) if isinstance(columns, str) else columns
    return getattr(expect, name)(*named, **kwargs, mostly=mostly, row_condition=draw(st.sampled_from(_CONDITIONS)))


def test_every_grouped_expectation_is_tried() -> None:
    assert {f"expect_{name}" for name in _ARGUMENTS} == GROUPED


@pytest.mark.parametrize("examples", [_FEW, pytest.param(_MANY, marks=pytest.mark.full)])
@pytest.mark.parametrize("name", sorted(_ARGUMENTS))
def test_the_grouped_audit_equals_stock_gx_day_by_day(name: str, examples: int) -> None:
    """Both verdicts must have been given: where the examples are too few for that, one is looked for."""
    seen: set[bool] = set()

    @settings(_STEADY, max_examples=examples)
    @given(rows=_ROWS, rule=_rules(name))
    def equal(rows: list[Row], rule: Rule) -> None:
        seen.update(_agreed(rows, rule))

    equal()
    for rare in {True, False} - seen:
        seen |= _agreed(*_example_of(name, rare))
    assert seen == {True, False}


def _agreed(rows: list[Row], rule: Rule) -> set[bool]:
    """Hold the grouped audit against stock GX; the verdicts of stock GX on days with rows that the rule looks at."""
    check(TABLE, rule)
    ours = _audit(rows, rule)
    broken: list[int] = []
    seen = set()
    for day in DAYS:
        (result,) = gx.results(TABLE, [rule], frame_of(rows, day))
        stock = gx.verdict(TABLE, rule, result)
        assert not (stock.details or "").startswith("could not be judged"), stock.details
        verdict = ours[day]
        assert (verdict.success, verdict.unexpected) == (stock.success, stock.unexpected), (day, verdict, stock)
        assert verdict.judged == stock.judged
        broken += result.result.get("unexpected_index_list") or []
        if _says_something(rows, day, stock):
            seen.add(stock.success)
    if rule.type in ROWS:
        assert violating(rows, rule) == sorted(broken)
    return seen


def _audit(rows: list[Row], rule: Rule) -> dict[date | None, RuleVerdict]:
    found = verdicts(TABLE, DAYS, audited(rows, [rule]), partial(frame_of, rows), [rule])
    return {day: verdict for day, (verdict,) in found.items()}


def _example_of(name: str, success: bool) -> tuple[list[Row], Rule]:
    """Rows and a rule to which the grouped audit, which costs little, gives that verdict."""

    def given_it(example: tuple[list[Row], Rule]) -> bool:
        rows, rule = example
        return any(v.success == success and _says_something(rows, day, v) for day, v in _audit(rows, rule).items())

    return find(st.tuples(_ROWS, _rules(name)), given_it, settings=_SEARCH)


def _says_something(rows: list[Row], day: date | None, verdict: RuleVerdict) -> bool:
    """Whether the verdict is about more than the absence of rows."""
    return verdict.judged != 0 and any(row["day"] == day for row in rows)


@pytest.mark.parametrize("strict_max", [False, True])
@pytest.mark.parametrize("strict_min", [False, True])
def test_a_value_on_a_bound_is_within_it_unless_strict(strict_min: bool, strict_max: bool) -> None:
    strict = {"strict_min": strict_min, "strict_max": strict_max}
    rules = [
        expect.column_values_to_be_between("i", min_value=0, max_value=2, **strict),
        expect.column_values_to_be_between("cents", min_value=0.1, max_value=19.99, **strict),
        expect.column_values_to_be_between("x", min_value=0, max_value=1.5, **strict),
        expect.column_values_to_be_between("ts", min_value="2017-01-01", max_value="9999-12-31", **strict),
        expect.column_value_lengths_to_be_between("s", min_value=1, max_value=3, **strict),
    ]
    rows = [{"day": DAYS[0], **{c: v[k % len(v)] for c, v in VALUES.items()}} for k in range(max(map(len, VALUES.values())))]
    for rule, stock in zip(rules, gx.results(TABLE, rules, frame_of(rows, DAYS[0])), strict=True):
        assert violating(rows, rule) == stock.result.get("unexpected_index_list", [])
        assert len(set(violating(rows, rule))) < len(rows)
