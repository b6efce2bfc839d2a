"""The ERP's products as DMS writes them to S3: a full load, then files of changes.

Belongs here: the history of the products, which is invented (price groups, moves between categories, new and deleted
products), and its format. Does not: the products themselves, which are the source's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

import duckdb

from retail_lake.demo.chance import Dice, chance, draw, draw_sql
from retail_lake.demo.days import FIRST_DAY, LAST_DAY, days, index
from retail_lake.demo.delivery import Defect, Delivery, Effect

COLUMNS: Final = (
    "product_id", "manufacturer_id", "department", "brand", "product_category", "product_type", "package_size",
    "price_group", "dms_timestamp",
)  # fmt: skip
DEPARTMENT, CATEGORY, PRICE_GROUP, COMMITTED = 2, 4, 7, 8
FULL_LOAD_AT: Final = datetime(2016, 12, 31, 6)
LOAD_ROWS: Final = 25_000
PRICE_GROUPS: Final = "ABCDE"
INSERTED = 200
DELETED = 120
DEFECT_RATE = 0.005

Row = list[object]
Change = tuple[str, Row]


class _Products:
    """The products as of the day the history has come to; every day changes them, in order."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, seed: int) -> None:
        self._seed = seed
        group = f"'{PRICE_GROUPS}'[1 + {draw_sql(seed, 'price group', 'product_id')} % {len(PRICE_GROUPS)}]"
        found = connection.execute(f"SELECT * EXCLUDE (file_row_number), {group} FROM products ORDER BY product_id").fetchall()
        self.rows: dict[int, Row] = {row[0]: [*row] for row in found}
        self._ids = list(self.rows)
        self._due: dict[date, list[tuple[str, int]]] = {}
        for product, sold in (new := _new(connection, seed)):
            self._due.setdefault(sold - timedelta(days=3 + draw(seed, "insert", product) % 15), []).append(("I", product))
        for product in _unused(connection, seed):
            day = FIRST_DAY + timedelta(days=3 + draw(seed, "delete", product) % (index(LAST_DAY) - 3))
            self._due.setdefault(day, []).append(("D", product))
        self.inserted = frozenset(product for product, _ in new)
        self._gone: set[int] = set(self.inserted)  # not yet or no longer there

    def changes(self, day: date) -> list[Change]:
        """The changes committed on that UTC day, in order of commit; the products are changed by the way."""
        dice = Dice(self._seed, "erp", day)
        what: list[tuple[str, int | None]] = [("U", None)] * (35 + dice.below(11))
        what += self._due.get(day, [])
        commits = [(_commit_time(dice, day), operation, product) for operation, product in what]
        changes: list[Change] = []
        for committed, operation, product in sorted(commits, key=lambda commit: commit[0]):
            if product is None:
                changes += [("U", row) for row in self._update(dice, self._present(dice), committed)]
                continue
            (self._gone.remove if operation == "I" else self._gone.add)(product)
            changes.append((operation, [*self.rows[product], _stamp(committed)]))
        return changes

    def _present(self, dice: Dice) -> int:
        while (product := dice.choice(self._ids)) in self._gone:
            pass
        return product

    def _update(self, dice: Dice, product: int, committed: datetime) -> Iterator[Row]:
        """The rows of one transaction: a new price group, a new department and category, or now and then both, one by one."""
        row = self.rows[product]
        kind = dice.below(200)
        if kind >= 2:
            row[PRICE_GROUP] = dice.choice([group for group in PRICE_GROUPS if group != row[PRICE_GROUP]])
            yield [*row, _stamp(committed)]
        if kind < 3:
            while (other := self.rows[self._present(dice)])[CATEGORY] in (None, row[CATEGORY]):
                pass
            row[DEPARTMENT], row[CATEGORY] = other[DEPARTMENT], other[CATEGORY]
            yield [*row, _stamp(committed)]


def _new(connection: duckdb.DuckDBPyConnection, seed: int) -> list[tuple[int, date]]:
    """The products that are inserted during the year, with the day of their first sale."""
    # Not in January: the insert has to come on a day of the lake, and early days shall have their products.
    return connection.execute(
        f"""
        SELECT product_id, min(transaction_timestamp)::DATE AS sold FROM transactions SEMI JOIN products USING (product_id)
        GROUP BY product_id HAVING sold >= DATE '2017-02-01'
        ORDER BY {draw_sql(seed, "inserted", "product_id")}, product_id LIMIT {INSERTED}
        """
    ).fetchall()


def _unused(connection: duckdb.DuckDBPyConnection, seed: int) -> list[int]:
    """The products that are deleted during the year: neither sold nor promoted in it."""
    found = connection.execute(
        f"""
        SELECT product_id FROM products ANTI JOIN transactions USING (product_id) ANTI JOIN promotions USING (product_id)
        ORDER BY {draw_sql(seed, "deleted", "product_id")}, product_id LIMIT {DELETED}
        """
    ).fetchall()
    return [product for (product,) in found]


def _commit_time(dice: Dice, day: date) -> datetime:
    """A moment of the UTC day between about 06:00 and 22:00 on the stores' clock, whose day may be the one before."""
    evening = 0 if day == FIRST_DAY else 2  # the evening before the first day is not a day of the lake
    second = dice.below((evening + 13) * 3600 - 120)
    if second >= evening * 3600:
        second += (11 - evening) * 3600
    return datetime.combine(day, time()) + timedelta(seconds=second, microseconds=dice.below(1_000_000))


def _stamp(moment: datetime) -> str:
    return moment.isoformat(" ", "microseconds")


def _csv(rows: Sequence[Row]) -> list[str]:
    """Rows as DMS writes them: quoted when needed, null as `NULL`. One text per row, without the line's end."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["NULL" if value is None else value for value in row] for row in rows])
    return out.getvalue().splitlines()


def deliveries(connection: duckdb.DuckDBPyConnection, seed: int, last: date) -> Iterator[Delivery]:
    """The full load, which arrives before or on the first day, and the change files up to the last day."""
    products = _Products(connection, seed)
    stamp = _stamp(FULL_LOAD_AT)
    loaded = [[*row, stamp] for product, row in products.rows.items() if product not in products.inserted]
    for number, start in enumerate(range(0, len(loaded), LOAD_ROWS), 1):
        rows = loaded[start : start + LOAD_ROWS]
        text = "\n".join([",".join(COLUMNS), *_csv(rows), ""])
        yield Delivery(f"erp/products/LOAD{number:08X}.csv", FIRST_DAY, text.encode(), len(rows))
    for day in days(FIRST_DAY, last):
        yield from _change_files(products.changes(day), seed, day)


def _change_files(changes: list[Change], seed: int, day: date) -> Iterator[Delivery]:
    """One file for every six hours with commits, named by the moment it was closed: half a second after the last."""
    by_quarter: dict[int, list[Row]] = {}
    for operation, row in changes:
        by_quarter.setdefault(int(str(row[COMMITTED])[11:13]) // 6, []).append([operation, *row])
    for rows in by_quarter.values():
        closed = datetime.fromisoformat(str(rows[-1][-1])) + timedelta(milliseconds=500)
        name = f"{closed:%Y%m%d-%H%M%S}{closed.microsecond // 1000:03d}"
        key = f"erp/products/{day:%Y/%m/%d}/{name}.csv"
        lines: list[str] = []
        defects: list[Defect] = []
        for row in rows:
            lines += _csv([row])
            scope = ("product change", row[1], row[-1], row[PRICE_GROUP + 1], row[CATEGORY + 1])
            if chance(seed, DEFECT_RATE, *scope):
                twice = draw(seed, *scope) % 2 == 0
                lines += _csv([row if twice else [row[0], "", *row[2:]]])
                kind, effect = ("duplicate_row", Effect.DUPLICATE) if twice else ("empty_product_id", Effect.QUARANTINED)
                defects.append(Defect(key, len(lines) + 1, kind, lines[-1], effect))
        text = "\n".join([",".join(("Op", *COLUMNS)), *lines, ""])
        yield Delivery(key, day, text.encode(), len(lines), tuple(defects))
