"""Fragments of SQL in one engine's own dialect, with `:name` places for arguments, as syntax trees.

Belongs here: filling a fragment in. Does not: which fragments there are (`macros`, `render`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import sqlglot
from sqlglot import exp

Engine = Literal["duckdb", "spark"]

_WHOLE = (exp.Column, exp.Literal, exp.Func, exp.Paren, exp.Cast, exp.Null, exp.Boolean, exp.Identifier)
_OPERATORS = (exp.And, exp.Or, exp.Case)


@lru_cache(maxsize=512)
def _fragment(text: str, engine: Engine) -> exp.Expr:
    return sqlglot.parse_one(f"SELECT {text}", read=engine).expressions[0].pop()


def fill(text: str, engine: Engine, arguments: Mapping[str, exp.Expr]) -> exp.Expr:
    """The tree of `text` with each `:name` replaced by a copy of its argument, in parentheses where it is no whole."""
    tree = _fragment(text, engine).copy()
    for place in list(tree.find_all(exp.Placeholder)):
        argument = arguments[place.name].copy()
        whole = isinstance(argument, _WHOLE) and not isinstance(argument, _OPERATORS)
        place.replace(argument if whole else exp.Paren(this=argument))
    return tree
