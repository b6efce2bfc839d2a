"""What the subcommands share: names of tables and engines as people type them, days, and how things are shown.

Belongs here: only what two subcommands need. Imports of other rooms happen on use.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from retail_lake.failure import ConfigurationFailure

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Grid

    from retail_lake.config import Settings
    from retail_lake.contract import Table


class Day(click.ParamType):
    """A day as YYYY-MM-DD."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Text to a date."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day: write it as 2017-01-31", param, ctx)


class Moment(click.ParamType):
    """A moment in UTC as `2017-01-31`, `2017-01-31 10:30` or with seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Text to a time; another zone may be written with it."""
        try:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time: write it as '2017-01-31 10:30', in UTC", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


DAY = Day()
MOMENT = Moment()
# In a file or a pipe nothing has to be folded.
_NO_TERMINAL = 2000


def settings() -> Settings:
    """The settings as they are now. Raises `ConfigurationFailure`."""
    from retail_lake.config import load_settings
    from retail_lake.logs import configure

    found = load_settings()
    configure(found)
    return found


def by_layer(tables: Iterable[Table]) -> list[Table]:
    """The tables as people think of them: layer by layer, each in the order they are built."""
    from retail_lake.contract import Layer

    layers = list(Layer)
    return sorted(tables, key=lambda t: layers.index(t.layer))


def find_tables(names: Iterable[str], tables: Mapping[str, Table]) -> list[Table]:
    """Tables by full name (`silver.sales`) or, where only one has it, by name (`fact_sales`).

    Raises `ConfigurationFailure` naming the nearest ones there are.
    """
    return [_find_table(name, tables) for name in names]


def _find_table(name: str, tables: Mapping[str, Table]) -> Table:
    if name in tables:
        return tables[name]
    same = [t for t in tables.values() if t.name == name]
    if len(same) == 1:
        return same[0]
    if same:
        raise ConfigurationFailure(f"{name} is in several layers: say {' or '.join(t.full_name for t in same)}")
    raise ConfigurationFailure(f"There is no table {name}. {nearest(name, tables)}")


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint at the names like that one, or at all of them."""
    names = sorted(names)
    short = {n.rsplit(".", 1)[-1]: n for n in names}
    near = difflib.get_close_matches(name, names, n=3) or [
        short[n] for n in difflib.get_close_matches(name.rsplit(".", 1)[-1], short, n=3)
    ]
    return f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names) or 'none yet'}"


def check_day(day: date, settings: Settings) -> None:
    """Raise `ConfigurationFailure` for a day the lake does not have."""
    if not settings.first_day <= day <= settings.last_day:
        raise ConfigurationFailure(
            f"{day} is not a day of this lake, which goes from {settings.first_day} to {settings.last_day} "
            f"(RETAIL_LAKE_FIRST_DAY, RETAIL_LAKE_LAST_DAY, in {settings.home / 'settings.env'} after a demo)"
        )


def console(*, stderr: bool = False) -> Console:
    """Where things are shown: a terminal's width, or wide enough for a file."""
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=_NO_TERMINAL)


def grid(*headers: str, numbers: Sequence[str] = (), title: str | None = None) -> Grid:
    """An empty table to be shown; the columns in `numbers` are set to the right."""
    from rich import box
    from rich.table import Table as Grid

    made = Grid(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for header in headers:
        made.add_column(header, justify="right" if header in numbers else "left", overflow="fold")
    return made


def print_rows(
    out: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Sequence[str] = (),
    title: str | None = None,
) -> None:
    """Rows as a table; where the window is too narrow for their columns, one column a line, record by record."""
    from rich.markup import escape
    from rich.measure import Measurement

    texts = [[escape(shown(value)) for value in row] for row in rows]
    wide = grid(*columns, numbers=numbers, title=title)
    for row in texts:
        wide.add_row(*row)
    if Measurement.get(out, out.options.update(max_width=_NO_TERMINAL), wide).maximum <= out.width:
        out.print(wide)
        return
    for number, row in enumerate(texts, 1):
        record = grid("column", "value", title=f"{title or 'Row'} {number}")
        for column, text in zip(columns, row, strict=True):
            record.add_row(column, text)
        out.print(record)


def shown(value: object) -> str:
    """A value for people."""
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="microseconds" if value.microsecond else "seconds")
    return str(value)


def count(number: int) -> str:
    """A number of rows, with thousands apart; nothing for none, so that what is there stands out."""
    return f"{number:,}" if number else "-"


def day_ranges(days: Iterable[date]) -> str:
    """Days as `2017-01-01..14, 2017-03-02`: neighbours in one range, the end as short as it is clear."""
    ranges: list[list[date]] = []
    for day in sorted(days):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1][1] = day
        else:
            ranges.append([day, day])
    return ", ".join(_range(first, last) for first, last in ranges) or "-"


def _range(first: date, last: date) -> str:
    if first == last:
        return first.isoformat()
    same_month = (first.year, first.month) == (last.year, last.month)
    end = f"{last:%d}" if same_month else f"{last:%m-%d}" if first.year == last.year else last.isoformat()
    return f"{first.isoformat()}..{end}"
