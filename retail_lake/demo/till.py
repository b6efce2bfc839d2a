"""The tills: one CSV per store group and day, as text, with everything that goes wrong on the way.

Belongs here: the format of till files and their defects. Does not: which rows come when (`arrivals.py`) and which files
go wrong (`schedule.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Final

import duckdb

from retail_lake.demo.arrivals import create_transactions
from retail_lake.demo.chance import SIDES, draw_sql
from retail_lake.demo.days import FIRST_DAY, LAST_SALE_DAY, MAX_LATENESS, compact
from retail_lake.demo.delivery import Defect, Delivery, Effect
from retail_lake.demo.schedule import Fate, Spoil, fates

COLUMNS: Final = (
    "store_id", "basket_id", "household_id", "product_id", "quantity",
    "sales_value", "retail_disc", "coupon_disc", "coupon_match_disc", "sold_at",
)  # fmt: skip
HEADER: Final = ",".join(COLUMNS)
DEFECT_RATE: Final = 0.002
CHUNK: Final = timedelta(days=61)  # days whose lines are in memory at a time

Lines = list[tuple[str, int | None]]  # sound lines, each with the draw of the defect that follows it, if any


def _set(column: str, spoil: Callable[[str, int], str]) -> Callable[[str, int], str]:
    """Replace one field of a line by `spoil(value, draw)`."""
    place = COLUMNS.index(column)

    def apply(line: str, draw: int) -> str:
        fields = line.split(",")
        fields[place] = spoil(fields[place], draw)
        return ",".join(fields)

    return apply


# Each takes a sound line and a draw and gives the copy that follows it. Every copy but the first breaks a rule by itself,
# so that it can never stand for the sound line.
LINE_DEFECTS: Final[dict[str, Callable[[str, int], str]]] = {
    "duplicate_line": lambda line, draw: line,
    "bad_quantity": _set("quantity", lambda value, draw: "abc"),
    "bad_money": _set("sales_value", lambda value, draw: f'"{value.replace(".", ",")}"'),
    "empty_basket_id": _set("basket_id", lambda value, draw: ""),
    "empty_product_id": _set("product_id", lambda value, draw: ""),
    "negative_quantity": _set("quantity", lambda value, draw: str(-1 - int(value))),
    "absurd_quantity": _set("quantity", lambda value, draw: str(1_000_000 + draw % 1_000_000)),
    "unknown_store": _set("store_id", lambda value, draw: str(9000 + draw % 1000)),
    "wrong_field_count": lambda line, draw: line.rpartition(",")[0] if draw % 2 else f"{line},{draw % 100}",
}


def deliveries(connection: duckdb.DuckDBPyConnection, seed: int, first: date, last: date) -> Iterator[Delivery]:
    """The till files that arrive from first to last, in order of the day they are of."""
    start = max(FIRST_DAY, first - timedelta(days=2))  # of which a correction may arrive on the first day
    while start <= last:
        end = min(start + CHUNK - timedelta(days=1), last)
        lines = _lines(connection, seed, start, end)
        for fate in fates(seed, start, end):
            yield from (d for d in _file(fate, lines.get((fate.day, fate.group), [])) if first <= d.arrival_day <= last)
        start = end + timedelta(days=1)


def _lines(connection: duckdb.DuckDBPyConnection, seed: int, first: date, last: date) -> dict[tuple[date, int], Lines]:
    """The sound lines of the files of those days by day and group."""
    create_transactions(connection, seed, first - timedelta(days=MAX_LATENESS), min(last, LAST_SALE_DAY))
    draw = draw_sql(seed, "till line", "basket_id", "product_id")
    connection.execute(
        f"""
        SELECT file_day, store_group,
            concat_ws(',', store_id, basket_id, household_id, product_id, quantity, sales_value, retail_disc, coupon_disc,
                coupon_match_disc, strftime(sold_at, '%Y-%m-%dT%H:%M:%SZ')) AS line,
            CASE WHEN {draw} < {DEFECT_RATE} * {SIDES} THEN {draw} END AS draw
        FROM arrivals WHERE file_day BETWEEN DATE '{first}' AND DATE '{last}'
        ORDER BY file_day, store_group, sold_at, position
        """
    )
    table = connection.to_arrow_table()
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return {file: [(line, hit) for _, _, line, hit in found] for file, found in groupby(rows, key=lambda row: (row[0], row[1]))}


def _key(fate: Fate, arrival: date, version: int, again: bool = False) -> str:
    copy = "_retransmit" if again else ""
    return f"tills/till_lines/{arrival}/till-lines_g{fate.group}_{compact(fate.day)}{copy}_v{version}.csv"


def _text(lines: list[str]) -> str:
    """A till file as it should be: header, lines and the trailer that says how many lines there are."""
    return "".join(f"{line}\n" for line in (HEADER, *lines, f"#lines={len(lines)}"))


def _file(fate: Fate, sound: Lines) -> Iterator[Delivery]:
    """Everything that arrives of one store group's day."""
    spoiled = fate.spoil if fate.spoil is not Spoil.RETRANSMITTED else None
    key = _key(fate, fate.readable_on, 2 if spoiled else 1)
    lines: list[str] = []
    defects: list[Defect] = []
    for line, draw in sound:
        lines.append(line)
        if draw is not None:
            # The rate took the draws below its threshold: what is left of them tells the kind.
            kind = list(LINE_DEFECTS)[draw % len(LINE_DEFECTS)]
            lines.append(LINE_DEFECTS[kind](line, draw // len(LINE_DEFECTS)))
            effect = Effect.DUPLICATE if kind == "duplicate_line" else Effect.QUARANTINED
            defects.append(Defect(key, len(lines) + 1, kind, lines[-1], effect))
    text = _text(lines)

    if spoiled:
        first_key = _key(fate, fate.day, 1)
        effect = Effect.FILE_REJECTED if fate.delay else Effect.SUPERSEDED
        why = Defect(first_key, None, spoiled, None, effect, rows=len(lines), corrected_on=fate.readable_on)
        yield Delivery(first_key, fate.day, _spoil(text, spoiled), 0, (why,))
    if fate.late:
        expected = _key(fate, fate.day, 1)
        why = Defect(expected, None, "missing_file", None, Effect.FILE_MISSING, rows=len(lines), corrected_on=fate.readable_on)
        yield Delivery(expected, fate.day, None, 0, (why,))
    yield Delivery(key, fate.readable_on, text.encode(), len(lines), tuple(defects))
    if fate.spoil is Spoil.RETRANSMITTED:
        again = _key(fate, fate.settled_on, 1, again=True)
        copy = [line for line, _ in sound]
        why = Defect(again, None, fate.spoil, None, Effect.DUPLICATE, rows=len(copy))
        yield Delivery(again, fate.settled_on, _text(copy).encode(), len(copy), (why,))


def _spoil(text: str, kind: Spoil) -> bytes:
    """The bytes of a till file that went wrong as a whole."""
    *body, trailer = text.splitlines()
    match kind:
        case Spoil.TRUNCATED:
            cut = len(text) * 3 // 5
            while text[cut - 1] == "\n" or text[cut] == "\n":  # in the middle of a line, so that its end is seen to lack
                cut -= 1
            return text[:cut].encode()
        case Spoil.EMPTY:
            return b""
        case Spoil.MISSING_COLUMN:
            return "".join(f"{line}\n" for line in (*(line.rpartition(",")[0] for line in body), trailer)).encode()
        case Spoil.EXTRA_COLUMN:
            return "".join(f"{line}\n" for line in (f"{body[0]},till_id", *(f"{line},7" for line in body[1:]), trailer)).encode()
        case Spoil.WRONG_ENCODING:
            return b"\xff\xfe" + text.encode("utf-16-le")
        case _:
            raise ValueError(f"a {kind} file is not spoiled in its bytes")
