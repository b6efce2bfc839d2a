"""Small contracts and settings that the tests of this room share."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from retail_lake.config import Settings
from retail_lake.contract import Column, Landing, Layer, Table

FIRST_DAY = date(2017, 1, 1)


def settings_of(home: Path) -> Settings:
    return Settings(home=home, first_day=FIRST_DAY, last_day=date(2017, 1, 31))


def columns_of(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name, type_, f"Column {name}.") for name, type_ in types.items())


def bronze(reader: str, columns: tuple[Column, ...], **options: Any) -> Table:
    landing = Landing(system="tills", dataset="lines", pattern=r"(?P<part>.+)", reader=reader, options=options)
    return Table(name="lines", layer=Layer.BRONZE, description="Lines.", grain="line", columns=columns, landing=landing)
