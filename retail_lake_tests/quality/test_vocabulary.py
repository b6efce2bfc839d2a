"""The stored list of expectations is the real library's."""

from __future__ import annotations

import inspect
from typing import Any

from retail_lake.quality import expectations
from retail_lake.quality.supported import GROUPED
from retail_lake.quality.vocabulary import ELSEWHERE, VOCABULARY

# Arguments that a contract says in its own words, or that every expectation has and none is about.
_COMMON = {"batch_id", "row_condition", "condition_parser", "mostly", "library_metadata"}


def test_every_expectation_and_argument_is_the_librarys() -> None:
    core = expectations.library()
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.util import camel_to_snake

    real = {}
    cls: Any
    for name, cls in inspect.getmembers(core, inspect.isclass):
        if name.startswith("Expect") and issubclass(cls, Expectation):
            fields = {k: f for k, f in cls.__fields__.items() if k not in _COMMON and k not in Expectation.__fields__}
            required = frozenset(k for k, f in fields.items() if f.required)
            real[camel_to_snake(name)] = (required, frozenset(fields) - required, "mostly" in cls.__fields__)
    assert {name: (w.required, w.optional, w.tolerant) for name, w in VOCABULARY.items()} == real


def test_what_is_grouped_or_refused_exists() -> None:
    assert GROUPED | set(ELSEWHERE) <= set(VOCABULARY)
    assert not GROUPED & set(ELSEWHERE)
