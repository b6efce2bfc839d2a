"""Rules as objects of Great Expectations, imported late, once, and ahead of time where a job knows that it will need them.

Belongs here: importing the library and building its expectations from rules. Does not: measuring or running anything.
"""

from __future__ import annotations

import importlib
import os
import threading
from datetime import date
from decimal import Decimal
from typing import Any, Final

from retail_lake.contract import Rule, Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.quality import columns

_MODULE: Final = "great_expectations.expectations.core"
_importing: threading.Thread | None = None


def _import() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    return importlib.import_module(_MODULE)


def start_import() -> None:
    """Begin importing Great Expectations in the background: five seconds that pass while the engine works.

    `verdicts` waits for it; without this call it imports on its own. Calling it again does nothing.
    """
    global _importing
    if _importing is None:
        _importing = threading.Thread(target=_import, name="import great_expectations", daemon=True)
        _importing.start()


def library() -> Any:
    """The module of all expectation classes, imported by the first caller."""
    if _importing is not None:
        _importing.join()
    return _import()


def build(rule: Rule, table: Table) -> Any:
    """The rule's expectation, with its own validation and without the row condition, which is applied in SQL.

    Raises `ConfigurationFailure` with what the library says where it refuses the arguments.
    """
    name = "".join(word.capitalize() for word in rule.type.split("_"))
    kwargs = {k: _argument(rule, table, k, v) for k, v in rule.kwargs.items()}
    if rule.mostly != 1.0:
        kwargs["mostly"] = rule.mostly
    try:
        return getattr(library(), name)(**kwargs)
    except (ValueError, TypeError) as error:
        raise ConfigurationFailure(f"{table.full_name}: rule {rule.name} ({rule.type}): {error}") from error


def _argument(rule: Rule, table: Table, name: str, given: Any) -> Any:
    """An argument as GX compares it: moments as datetimes, numbers as floats or integers, patterns with classes in ASCII."""
    if name in ("min_value", "max_value"):
        return plain(_of_column(table, rule.columns[0], given) if rule.columns else given)
    if name == "value_set":
        return [plain(_of_column(table, rule.columns[0], member)) for member in given]
    if name == "value_pairs_set":
        return [tuple(plain(_of_column(table, c, m)) for c, m in zip(rule.columns, pair, strict=True)) for pair in given]
    if name == "regex":
        return f"(?a){given}"
    if name == "regex_list":
        return [f"(?a){pattern}" for pattern in given]
    return list(given) if isinstance(given, tuple) else given


def _of_column(table: Table, column: str, given: Any) -> Any:
    if columns.family(table, column) == "time" and isinstance(given, str | date):
        return columns.moment(given)
    return given


def plain(given: Any) -> Any:
    """A value as GX compares it: decimals as floats, dates as midnight; anything else as it is."""
    if isinstance(given, Decimal):
        return float(given)
    return columns.moment(given) if isinstance(given, date) else given
