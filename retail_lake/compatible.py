"""Whether what is stored can become what the contracts say, asked of a whole selection before any of it is built.

Belongs here: who is asked. Does not: what fits (`lake/schema.py`, `warehouse/fit.py`).

Each table is checked again at its turn by whoever builds or loads it. This is for finding out before the first job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from retail_lake.contract import Table
from retail_lake.failure import BUG, ConfigurationFailure, Failure, Misfit, kind_of, refuse_together, words

if TYPE_CHECKING:
    from retail_lake.lake.lake import Lake
    from retail_lake.warehouse.base import Warehouse


def check_selection(
    selection: Iterable[tuple[Table, bool]], lake: Lake, warehouse: Warehouse, say: Callable[[str], None]
) -> None:
    """Look at the stored table of each contract: in the lake or, where the second is true, in the warehouse.

    Raises one `ConfigurationFailure` that names every table that cannot take its contract, and what keeps anybody from looking
    at the lake. What does not answer, or is damaged, is left to its turn, which knows what to do about it; `say` is told. So is
    a warehouse that lets nobody in: the lake can be published without it.
    """
    chosen = list(selection)
    served = [table for table, in_warehouse in chosen if in_warehouse]
    looks = [
        partial(_look, t.full_name, partial(lake.check, t), ConfigurationFailure, say)
        for t, in_warehouse in chosen
        if not in_warehouse
    ]
    if served:
        looks.append(partial(_look, "warehouse", partial(warehouse.check, served), Misfit, say))
    refuse_together(looks)


def _look(name: str, look: Callable[[], None], refusal: type[Failure], say: Callable[[str], None]) -> None:
    try:
        look()
    except refusal:
        raise
    except Exception as error:
        if kind_of(error) == BUG:
            raise
        say(f"{name}: whether the contract fits will be seen at its turn: {words(error)}")
