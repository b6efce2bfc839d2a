"""Whatever rows come, silver publishes, quarantines and counts as duplicates exactly those that a model in plain Python does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retail_lake.contract import expect
from retail_lake.engines.local import LocalEngine
from retail_lake_tests.jobs import lines
from retail_lake_tests.jobs.lines import Row, job_of, known, line, silver, staged

DAYS = lines.DAYS[:2]
TABLE = silver(
    expect.column_values_to_not_be_null("amount", mostly=0.75),
    expect.column_values_to_be_between("amount", min_value=0, max_value=3, mostly=0.5),
    expect.column_values_to_be_in_set("product", value_set=["bread", "salt"], mostly=0.5, row_condition="amount > 1"),
    expect.column_values_to_be_between("amount", max_value=2, severity="warning"),
    expect.compound_columns_to_be_unique("product", "amount", mostly=0.5),
)
MISSING, RANGE, PRODUCT, MUCH, REPEATED, CLAIMS = (rule.name for rule in TABLE.rules)
TOLERATED = {rule.name: Fraction(str(rule.mostly)) for rule in TABLE.rules}

# What a row rule looks at, and what breaks it.
JUDGED: Mapping[str, Callable[[Row], bool]] = {
    MISSING: lambda row: True,
    RANGE: lambda row: row["amount"] is not None,
    PRODUCT: lambda row: row["amount"] is not None and row["amount"] > 1 and row["product"] is not None,
    MUCH: lambda row: row["amount"] is not None,
    CLAIMS: lambda row: True,
}
BREAKS: Mapping[str, Callable[[Row], bool]] = {
    MISSING: lambda row: row["amount"] is None,
    RANGE: lambda row: not 0 <= row["amount"] <= 3,
    PRODUCT: lambda row: row["product"] not in ("bread", "salt"),
    MUCH: lambda row: row["amount"] > 2,
    CLAIMS: lambda row: row["day"] != row["_day"],
}


def broken(row: Row) -> list[str]:
    """The critical row rules that the row breaks."""
    return [name for name in (MISSING, RANGE, PRODUCT, CLAIMS) if JUDGED[name](row) and BREAKS[name](row)]


def kept(valid: Sequence[Row]) -> list[Row]:
    """The first row of each key; a row that lacks a part of its key stands for itself."""

    def order(row: Row) -> tuple[Any, ...]:
        return (row["at"] is not None, str(row["at"]), row["_source_file"], row["_position"])

    first: dict[tuple[Any, ...], Row] = {}
    for row in sorted(valid, key=order):
        alone = None in (row["basket"], row["product"])
        first.setdefault((row["day"], row["basket"], row["product"], row["_position"] if alone else None), row)
    return list(first.values())


def verdicts(rows: Sequence[Row], published: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Rows judged and rows unexpected of a day, by rule."""
    found = {}
    for name, judged in JUDGED.items():
        looked_at = [row for row in rows if judged(row)]
        found[name] = (len(looked_at), sum(map(BREAKS[name], looked_at)))
    pairs = Counter((row["product"], row["amount"]) for row in published)
    found[REPEATED] = (len(published), sum(n for n in pairs.values() if n > 1))
    return found


@st.composite
def row_of(draw: st.DrawFn) -> Row:
    """A row without its place: mostly sound, of few values, so that they meet."""
    day = draw(st.sampled_from(DAYS))
    return {
        "_day": day,
        "day": draw(st.sampled_from((*[day] * 15, *DAYS, None))),
        "at": draw(st.sampled_from((None, datetime(2017, 1, 1, 12), datetime(2017, 1, 1, 13)))),
        "basket": draw(st.sampled_from((None, 1, 2, 3, 4))),
        "product": draw(st.sampled_from((*["bread", "salt"] * 3, "nuts", None))),
        "amount": draw(st.sampled_from((*range(4), *range(4), -1, 4, None))),
        "_source_file": draw(st.sampled_from(("a.csv", "b.csv"))),
    }


@pytest.mark.parametrize("examples", [20, pytest.param(500, marks=pytest.mark.full)])
def test_every_row_goes_where_the_contract_says(tmp_path: Path, examples: int) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(row_of(), max_size=30))
    def split(drawn: list[Row]) -> None:
        rows = [line(row["_day"], place, **row) for place, row in enumerate(drawn, 1)]
        report = LocalEngine(lines.settings(tmp_path)).run(job_of(tmp_path, TABLE, rows, DAYS))
        refused = {(r["_source_file"], r["_position"]): (r["_day"], ",".join(broken(r)), r["amount"]) for r in rows if broken(r)}
        published = kept([r for r in rows if not broken(r)])

        assert as_read(staged(report.staged)) == as_read(published)
        assert {
            (r["source_file"], r["position"]): (r["_day"], r["rules"], as_number(json.loads(r["record"])["amount"]))
            for r in staged(report.quarantine)
        } == refused
        for day in report.days:
            of_day, out = ([r for r in of if r[by] == day.day] for of, by in ((rows, "_day"), (published, "day")))
            held = sum(1 for r in of_day if broken(r))
            assert (day.rows_in, day.published, day.quarantined) == (len(of_day), len(out), held)
            assert day.duplicates == len(of_day) - held - len(out)
            expected = verdicts(of_day, out)
            assert {v.rule: (v.judged, v.unexpected) for v in day.verdicts} == expected
            good = {n: judged - bad >= TOLERATED[n] * judged for n, (judged, bad) in expected.items()}
            assert {v.rule: v.success for v in day.verdicts} == good
            assert day.blocked == (not all(ok for name, ok in good.items() if name != MUCH))
            seen.update(f"{name} {ok}" for name, ok in good.items())
            seen.update({"blocked": day.blocked, "tolerated": bool(held) and not day.blocked, "duplicates": day.duplicates})

    with known(TABLE):
        split()
    verdicts_seen = {f"{name} {ok}" for name in TOLERATED for ok in (True, False)}
    assert verdicts_seen | {"blocked", "tolerated", "duplicates"} <= {what for what, times in seen.items() if times}


def as_number(text: str | None) -> int | None:
    """A number as a record in quarantine has it."""
    return None if text is None else int(text)


def as_read(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Rows as readers would see them, in one order."""
    return sorted((tuple(row[c.name] for c in TABLE.columns) for row in rows), key=lambda row: row[-2:])
