"""The lake drawn: a heat map of tables and days, bars of rows below it, bars of costs. As SVG text, without any library.

Belongs here: shapes, colours and sizes. Does not: what is so (`days.py`), or the words around it (`report.py`).

The UI shows it as an image, so that it has a ground of its own, good in a light and in a dark theme, and nothing that moves. The
colours are told apart by people who do not see all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from html import escape
from itertools import groupby
from typing import Final

from retail_lake.health.days import State, TableDays

COLOURS: Final[Mapping[State, str]] = {
    State.PUBLISHED: "#1b9e77",
    State.INCOMPLETE: "#f0c419",
    State.STALE: "#7aa6d9",
    State.MISSING: "#e3e6ea",
    State.BLOCKED: "#c2272d",
}
_INK, _FAINT, _GROUND, _BAR = "#24292f", "#8b949e", "#ffffff", "#5b6bbf"
_LEFT, _WIDTH, _RIGHT = 210, 780, 70
_ROW, _GAP, _TOP = 15, 8, 48
_BARS: Final = 36
_FONT: Final = "font-family='system-ui,Helvetica,Arial,sans-serif'"


def heat_map(tables: Sequence[TableDays], days: Sequence[date], bars: Mapping[str, Mapping[date, float]]) -> str:
    """Tables by days, grouped by layer, over `bars` of the same days, by their titles."""
    width = _WIDTH / max(1, len(days))
    parts = [*_legend(tables), *_axis(days, width, _TOP - 6)]
    y = float(_TOP)
    for layer, of_layer in groupby(tables, key=lambda t: t.table.layer):
        parts.append(_text(8, y + 11, str(layer), _FAINT, 10))
        for found in of_layer:
            parts.append(_text(_LEFT - 8, y + 11, found.table.name, _INK, 11, "end"))
            parts += _cells(found, days, width, y)
            y += _ROW
        y += _GAP
    for title, values in bars.items():
        parts += _bars(title, values, days, width, y)
        y += _BARS + 2 * _GAP
    return _svg(y, parts)


def bar_chart(title: str, values: Mapping[date, float], days: Sequence[date]) -> str:
    """Bars of one measure by day, with its days above."""
    width = _WIDTH / max(1, len(days))
    return _svg(_TOP + _BARS + 2 * _GAP, [*_axis(days, width, _TOP - 6), *_bars(title, values, days, width, _TOP)])


def _legend(tables: Sequence[TableDays]) -> Iterator[str]:
    x = float(_LEFT)
    for state, colour in COLOURS.items():
        words = f"{state} {sum(len(t.of(state)) for t in tables):,}"
        yield f"<rect x='{x:g}' y='9' width='11' height='11' rx='2' fill='{colour}'/>"
        yield _text(x + 16, 19, words, _INK, 11)
        x += 36 + 6.6 * len(words)


def _axis(days: Sequence[date], width: float, y: float) -> Iterator[str]:
    """The first of each month, or every few days of a short stretch."""
    every = max(1, round(70 / width))
    for n, day in enumerate(days):
        if (day.day == 1 and n + 3 < len(days)) if len(days) > 62 else n % every == 0:
            x, named = _LEFT + n * width, "%d %b" if len(days) <= 62 else "%b %Y" if day.month == 1 else "%b"
            yield _text(x, y, day.strftime(named), _FAINT, 10)
            yield f"<path d='M{x:g} {y + 2:g}v4' stroke='{_FAINT}' stroke-width='.7'/>"


def _cells(found: TableDays, days: Sequence[date], width: float, y: float) -> Iterator[str]:
    """A run of days that are alike is one shape, with a hair between days where there is room for it."""
    if found.table.day is None:
        yield _cell(_LEFT, y, _WIDTH, COLOURS[found.states[None]])
        return
    for state, run in groupby(enumerate(days), key=lambda item: found.states[item[1]]):
        numbers = [n for n, _ in run]
        if width >= 6:
            yield from (_cell(_LEFT + n * width, y, width - 1, COLOURS[state]) for n in numbers)
        else:
            yield _cell(_LEFT + numbers[0] * width, y, width * len(numbers), COLOURS[state])


def _cell(x: float, y: float, width: float, colour: str) -> str:
    return f"<rect x='{x:.2f}' y='{y:g}' width='{width:.2f}' height='{_ROW - 2}' fill='{colour}'/>"


def _bars(title: str, values: Mapping[date, float], days: Sequence[date], width: float, y: float) -> Iterator[str]:
    highest = max((values.get(day, 0) for day in days), default=0)
    base = y + _BARS
    yield _text(_LEFT - 8, y + 12, title, _INK, 11, "end")
    yield _text(_LEFT + _WIDTH + 4, y + 9, _number(highest), _FAINT, 10)
    yield f"<path d='M{_LEFT} {base:g}h{_WIDTH}' stroke='{_FAINT}' stroke-width='.7'/>"
    if not highest:
        return
    # One path for all bars: a year of them is a few thousand characters.
    steps = []
    for n, day in enumerate(days):
        if height := _BARS * values.get(day, 0) / highest:
            bar = max(width * 0.8, 0.6)
            steps.append(f"M{_LEFT + n * width:.1f} {base:g}v{-height:.1f}h{bar:.1f}v{height:.1f}z")
    yield f"<path d='{''.join(steps)}' fill='{_BAR}'/>"


def _number(value: float) -> str:
    for size, sign in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"


def _text(x: float, y: float, words: str, colour: str, size: int, anchor: str = "start") -> str:
    return f"<text x='{x:g}' y='{y:g}' font-size='{size}' fill='{colour}' text-anchor='{anchor}'>{escape(words)}</text>"


def _svg(height: float, parts: Sequence[str]) -> str:
    width = _LEFT + _WIDTH + _RIGHT
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height:g}' width='{width}' height='{height:g}' {_FONT}>"
        f"<rect width='{width}' height='{height:g}' rx='6' fill='{_GROUND}'/>{''.join(parts)}</svg>"
    )
