"""Marketing: campaigns as nested documents, and the campaign calendar as pages of an API.

Belongs here: when campaigns become known, and both formats. Does not: redemptions of the coupons (`events.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

import duckdb

from retail_lake.demo.days import FIRST_DAY, compact, days, index
from retail_lake.demo.delivery import Defect, Delivery, Effect

EARLIEST_UPDATE: Final = date(2016, 12, 28)
PAGE: Final = 10
HORIZON: Final = timedelta(days=90)


def campaign_deliveries(connection: duckdb.DuckDBPyConnection, last: date) -> Iterator[Delivery]:
    """A file of documents on each day a campaign becomes known: three days ahead, or with its first redemption."""
    known = connection.execute(
        """
        SELECT campaign_id, campaign_type, least(start_date::DATE - 3, min(redemption_date)::DATE) AS known_on
        FROM campaign_descriptions LEFT JOIN coupon_redemptions USING (campaign_id)
        GROUP BY campaign_id, campaign_type, start_date ORDER BY known_on, campaign_id
        """
    ).fetchall()
    by_day: dict[date, list[str]] = {}
    for campaign, kind, known_on in known:
        arrival = max(FIRST_DAY, known_on)
        if arrival <= last:
            document = _document(connection, campaign, kind, max(EARLIEST_UPDATE, known_on))
            by_day.setdefault(arrival, []).append(json.dumps(document) + "\n")
    for day, lines in by_day.items():
        key = f"marketing/campaigns/{day}/campaigns_{compact(day)}_v1.jsonl"
        yield Delivery(key, day, "".join(lines).encode(), len(lines))


def _document(connection: duckdb.DuckDBPyConnection, campaign: int, kind: str, updated_on: date) -> dict[str, Any]:
    """A campaign with its households and coupons, both in the order of the source, repeated products included."""
    audience = connection.execute(
        "SELECT household_id FROM campaigns WHERE campaign_id = ? ORDER BY file_row_number", [campaign]
    ).fetchall()
    products: dict[int, list[int]] = {}
    for coupon, product in connection.execute(
        "SELECT coupon_upc, product_id FROM coupons WHERE campaign_id = ? ORDER BY file_row_number", [campaign]
    ).fetchall():
        products.setdefault(coupon, []).append(product)
    return {
        "campaign_id": campaign,
        "campaign_type": kind,
        "audience": [{"household_id": household} for (household,) in audience],
        "coupons": [{"coupon_upc": coupon, "product_ids": ids} for coupon, ids in products.items()],
        "updated_at": f"{updated_on}T09:00:00Z",
    }


def calendar_deliveries(connection: duckdb.DuckDBPyConnection, last: date) -> Iterator[Delivery]:
    """The pages of the calendar on the first day and on every Monday; every fourth time, page 1 is fetched twice."""
    campaigns = connection.execute(
        "SELECT campaign_id, start_date::DATE, end_date::DATE FROM campaign_descriptions ORDER BY campaign_id"
    ).fetchall()
    for day in days(FIRST_DAY, last):
        if day != FIRST_DAY and day.weekday() != 0:
            continue
        items = [
            {"campaign_id": campaign, "start_date": str(start), "end_date": str(end)}
            for campaign, start, end in campaigns
            if start <= day + HORIZON
        ]
        pages = [items[at : at + PAGE] for at in range(0, len(items), PAGE)]
        for number, page in enumerate(pages, 1):
            body = {"page": number, "pages": len(pages), "as_of": f"{day}T05:00:00Z", "items": page}
            content = json.dumps(body).encode()
            keys = [f"marketing_api/campaign_calendar/{day}/calendar_{compact(day)}_page-{number:03d}_v{v}.json" for v in (1, 2)]
            if number == 1 and index(day) // 7 % 4 == 1:
                again = Defect(keys[0], None, "fetched_again", None, Effect.SUPERSEDED, rows=len(page), corrected_on=day)
                yield Delivery(keys[0], day, content, 0, (again,))
                yield Delivery(keys[1], day, content, len(page))
            else:
                yield Delivery(keys[0], day, content, len(page))
