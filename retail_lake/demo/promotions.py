"""Weekly promotions: one Parquet file for each of the 53 weeks, some 395,000 rows each.

Belongs here: the files' format and defects. Does not: the calendar of weeks (`days.py`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from retail_lake.demo.chance import draw
from retail_lake.demo.days import promotion_week, promotion_week_start
from retail_lake.demo.delivery import Defect, Delivery, Effect

COLUMNS: Final = ("product_id", "store_id", "display_location", "mailer_location", "week")
LAST_WEEK: Final = 53
BAD_ROWS: Final = 3  # of each kind and week
UNKNOWN_STORE: Final = 9999


def deliveries(connection: duckdb.DuckDBPyConnection, seed: int, first: date, last: date) -> Iterator[Delivery]:
    """The files of the weeks that the days from first to last lie in. A file arrives when its week starts."""
    for week in range(promotion_week(first), min(promotion_week(last), LAST_WEEK) + 1):
        yield _file(connection, seed, week)


def _file(connection: duckdb.DuckDBPyConnection, seed: int, week: int) -> Delivery:
    sound = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM promotions WHERE week = {week} ORDER BY file_row_number"
    ).to_arrow_table()
    day = promotion_week_start(week)
    key = f"tills/promotions/{day}/promotions_w{week:02d}_v1.parquet"
    table = pa.concat_tables([sound, bad := _bad_rows(sound, seed, week)]).combine_chunks()
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    defects = [
        Defect(key, sound.num_rows + number, kind, str(row), Effect.QUARANTINED)
        for number, row in enumerate(bad.to_pylist(), 1)
        for kind in ("null_product_id" if row["product_id"] is None else "unknown_store",)
    ]
    return Delivery(key, day, out.getvalue(), table.num_rows, tuple(defects))


def _bad_rows(sound: pa.Table, seed: int, week: int) -> pa.Table:
    """Copies of sound rows: some without a product, some of a store that does not exist. They end the file."""
    rows = sound.take([draw(seed, "promotion", week, number) % sound.num_rows for number in range(2 * BAD_ROWS)]).to_pylist()
    for row in rows[:BAD_ROWS]:
        row["product_id"] = None
    for row in rows[BAD_ROWS:]:
        row["store_id"] = UNKNOWN_STORE
    return pa.Table.from_pylist(rows, schema=sound.schema)
