"""How personal data is shown to people who did not ask for it: not at all.

Belongs here: masking of sample rows. Does not: deciding who may see what is behind the mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from retail_lake.contract import Table

MASK: Final = "***"


def mask(value: object) -> str | None:
    """What stands for a personal value. A missing value stays None, because that it is missing is often the violation.

    Neither length nor a digest is kept: with a few thousand households either would give the value away.
    """
    return None if value is None else MASK


def mask_row(table: Table, row: Mapping[str, Any]) -> dict[str, str | None]:
    """A row as text, the table's `pii` columns masked."""
    return {name: mask(value) if name in table.pii else None if value is None else str(value) for name, value in row.items()}
