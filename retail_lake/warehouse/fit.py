"""Whether a contract fits the table that a warehouse has, said in the same words for every warehouse.

Belongs here: comparing columns. Does not: types or DDL of any database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from retail_lake.contract import Table
from retail_lake.failure import Misfit


def check_fit(
    table: Table, stored: Mapping[str, str], wanted: Mapping[str, str], widens: Callable[[str, str], bool] = lambda *_: False
) -> None:
    """Compare columns by their types, both in one spelling; a column that the database lacks can be added.

    `widens` says whether the database can change a column's type to another. Raises `Misfit` naming each
    column that fits neither as it is nor widened.
    """
    wrong = [
        f"column {name} is {stored[name]} in the warehouse, {type_} in the contract"
        for name, type_ in wanted.items()
        if name in stored and stored[name] != type_ and not widens(stored[name], type_)
    ]
    wrong += [f"column {name} is in the warehouse but no longer in the contract" for name in stored if name not in wanted]
    if wrong:
        raise Misfit(
            f"{table.name}: the contract does not fit the table in the warehouse:\n  "
            + "\n  ".join(wrong)
            + f"\nIf the change is meant, build the table anew from the lake: retail-lake reload {table.name}"
        )


def table_comment(table: Table) -> str:
    """What the database says about the table."""
    return " ".join(f"{table.description}\nGrain: {table.grain}".split())
