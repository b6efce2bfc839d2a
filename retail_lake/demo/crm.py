"""The CRM's households and stores as Parquet extracts: everybody on the first day, then whoever changed.

Belongs here: the invented history of households (income, moves) and stores, and the extracts. Does not: who the
households are, which is the source's.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from retail_lake.demo.chance import Dice, chance, draw
from retail_lake.demo.days import FIRST_DAY, compact, days, store_time
from retail_lake.demo.delivery import Defect, Delivery, Effect

HOUSEHOLDS: Final = pa.schema(
    [("household_id", pa.int64())]
    + [
        (name, pa.string())
        for name in (
            "loyalty_card", "age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count",
            "city", "postal_code",
        )
    ]
    + [("updated_at", pa.timestamp("us"))]
)  # fmt: skip
STORES: Final = pa.schema(
    [
        ("store_id", pa.int64()),
        ("store_name", pa.string()),
        ("store_format", pa.string()),
        ("region", pa.string()),
        ("city", pa.string()),
        ("opened_on", pa.date32()),
        ("store_group", pa.int64()),
        ("updated_at", pa.timestamp("us")),
    ]
)
INCOMES: Final = (
    "Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K", "125-149K", "150-174K", "175-199K",
    "200-249K", "250K+",
)  # fmt: skip
BAD_INCOME: Final = "251-999K"
CITIES: Final = (
    "Alder Falls", "Birchwood", "Cedar Point", "Dunmore", "Elm Grove", "Fairhaven", "Glenville", "Harrow", "Ironbridge",
    "Juniper",
)  # fmt: skip
REGIONS: Final = ("North", "East", "South", "West")
FORMATS: Final = ("Supermarket", "Superstore", "Convenience", "Warehouse")
FIRST_EXTRACT_AT: Final = datetime(2016, 12, 31, 8)
DEFECT_RATE: Final = 0.01

Record = dict[str, Any]


def deliveries(connection: duckdb.DuckDBPyConnection, seed: int, last: date) -> Iterator[Delivery]:
    """The extracts of households and stores from the first day to the last."""
    households, stores = _households(connection, seed), _stores(connection, seed)
    yield _households_file(seed, FIRST_DAY, households)
    yield _file("stores", STORES, FIRST_DAY, stores)
    for day in days(FIRST_DAY + timedelta(days=1), last):
        if changed := _change_households(Dice(seed, "households", day), day, households):
            yield _households_file(seed, day, changed)
        if changed := _change_stores(Dice(seed, "stores", day), day, stores):
            yield _file("stores", STORES, day, changed)


def _records(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Record]:
    return connection.execute(sql).to_arrow_table().to_pylist()


def _households(connection: duckdb.DuckDBPyConnection, seed: int) -> list[Record]:
    """Every household that bought anything, with its demographics where they are known."""
    found = _records(
        connection,
        """
        SELECT * EXCLUDE (file_row_number) FROM (SELECT DISTINCT household_id FROM transactions)
        LEFT JOIN demographics USING (household_id) ORDER BY household_id
        """,
    )
    for household in found:
        number = draw(seed, "card", household["household_id"]) % 10**7
        household |= {"loyalty_card": f"4{household['household_id']:04d}{number:07d}", "updated_at": FIRST_EXTRACT_AT}
        household |= _address(draw(seed, "address", household["household_id"]))
    return found


def _address(number: int) -> Record:
    """A city and a postal code in it; neither exists."""
    city = number % len(CITIES)
    return {"city": CITIES[city], "postal_code": f"0{city}{number // 16 % 1000:03d}"}


def _change_households(dice: Dice, day: date, households: list[Record]) -> list[Record]:
    """About three households a day: half get another income band, the next one, and half move."""
    changed: dict[int, Record] = {}
    moments = sorted(store_time(day, 8 * 3600 + dice.below(12 * 3600)) for _ in range(1 + dice.below(6)))
    for moment in moments[1:]:
        household = dice.choice(households)
        if household["household_id"] in changed:
            continue
        if household["income"] and dice.chance(0.75):
            band = INCOMES.index(household["income"])
            step = 1 if band == 0 else -1 if band == len(INCOMES) - 1 else dice.choice((-1, 1))
            household["income"] = INCOMES[band + step]
        else:
            # Any number gives an address; another one than the present is what makes it a move.
            while (address := _address(dice.below(2**32))) == {k: household[k] for k in ("city", "postal_code")}:
                pass
            household |= address
        household["updated_at"] = moment
        changed[household["household_id"]] = dict(household)
    return list(changed.values())


def _stores(connection: duckdb.DuckDBPyConnection, seed: int) -> list[Record]:
    """Every store of the transactions; all but the number and the group is invented."""
    found = _records(connection, "SELECT DISTINCT store_id, store_id % 4 + 1 AS store_group FROM transactions ORDER BY store_id")
    for store in found:
        number = draw(seed, "store", store["store_id"])
        city = CITIES[number % len(CITIES)]
        store |= {
            "store_name": f"{city} {store['store_id']}",
            "store_format": FORMATS[number // 16 % len(FORMATS)],
            "region": REGIONS[number % len(CITIES) % len(REGIONS)],
            "city": city,
            "opened_on": date(1975, 1, 1) + timedelta(days=number // 64 % 14_000),
            "updated_at": FIRST_EXTRACT_AT,
        }
    return found


def _change_stores(dice: Dice, day: date, stores: list[Record]) -> list[Record]:
    """Every twelve days or so, one store is given another format."""
    if not dice.chance(1 / 12):
        return []
    store = dice.choice(stores)
    store["store_format"] = dice.choice([f for f in FORMATS if f != store["store_format"]])
    store["updated_at"] = store_time(day, 8 * 3600 + dice.below(12 * 3600))
    return [dict(store)]


def _households_file(seed: int, day: date, households: list[Record]) -> Delivery:
    """The extract of a day with its defects: bad rows that follow the row they are copied from."""
    rows: list[Record] = []
    spoiled: list[tuple[int, str]] = []
    for household in households:
        rows.append(household)
        scope = ("household row", household["household_id"], day)
        if chance(seed, DEFECT_RATE, *scope):
            nobody = draw(seed, *scope) % 2 == 0
            rows.append(household | ({"household_id": None} if nobody else {"income": BAD_INCOME}))
            spoiled.append((len(rows), "null_household_id" if nobody else "unknown_income"))
    return _file("households", HOUSEHOLDS, day, rows, spoiled)


def _file(name: str, schema: pa.Schema, day: date, rows: list[Record], spoiled: list[tuple[int, str]] | None = None) -> Delivery:
    key = f"crm/{name}/{day}/{name}_{compact(day)}_v1.parquet"
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out)
    defects = [Defect(key, row, kind, str(rows[row - 1]), Effect.QUARANTINED) for row, kind in spoiled or ()]
    return Delivery(key, day, out.getvalue(), len(rows), tuple(defects))
