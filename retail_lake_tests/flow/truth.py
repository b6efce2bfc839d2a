"""What the untouched source rows say should be in the lake, by pandas from the source's own files.

Of the demo's code only the arrival days are taken: which source row comes when. Money is in whole cents.
"""

from __future__ import annotations

import io
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from retail_lake.demo import source
from retail_lake.demo.arrivals import arrivals, redemption_arrivals
from retail_lake_tests.flow.pilot import FIRST

MONEY = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
LINE = ["sale_date", "sold_at", "basket_id", "product_id", "household_id", "store_id", "quantity", *MONEY]
BEGINNING = pd.Timestamp("1900-01-01")


def raw(table: str) -> pd.DataFrame:
    """A table of the source as it is."""
    return pd.read_parquet(source.parquet(table))


def cents(column: pd.Series) -> pd.Series:
    """Dollars, decimal or floating, as whole cents."""
    return (column.astype("float64") * 100).round().astype("int64")


def sold(last: date) -> pd.DataFrame:
    """The basket lines that have arrived by then, sorted."""
    found = arrivals(first=FIRST, last=last).to_pandas()
    came = found.loc[found["arrival_day"] <= last, "position"]
    lines = raw("transactions").iloc[sorted(came)].rename(columns={"transaction_timestamp": "sold_at"})
    local = lines["sold_at"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    lines["sale_date"] = local.dt.date
    lines[MONEY] = lines[MONEY].apply(cents)
    return _lines(lines)


def in_lake(lines: pd.DataFrame) -> pd.DataFrame:
    """Basket lines of the lake, as `sold` has them."""
    lines = lines.copy()
    lines[MONEY] = lines[MONEY].apply(cents)
    return _lines(lines)


def _lines(lines: pd.DataFrame) -> pd.DataFrame:
    lines = lines[LINE].sort_values(["basket_id", "product_id"], ignore_index=True)
    numbers = [c for c in LINE if c not in ("sale_date", "sold_at")]
    return lines.astype({**dict.fromkeys(numbers, "int64"), "sold_at": "datetime64[us]"})


def redeemed(last: date) -> set[tuple[int, int, int, date]]:
    """The redemptions that have arrived by then: household, coupon, campaign, day."""
    found = redemption_arrivals().to_pandas()
    came = raw("coupon_redemptions")[(found["arrival_day"] <= last).to_numpy()]
    names = ["household_id", "coupon_upc", "campaign_id"]
    return set(zip(*(came[n] for n in names), pd.to_datetime(came["redemption_date"]).dt.date, strict=True))


def campaigns(last: date) -> set[int]:
    """The campaigns that marketing has told of by then: three days ahead, or with the first redemption."""
    start = raw("campaign_descriptions").set_index("campaign_id")["start_date"]
    first = raw("coupon_redemptions").groupby("campaign_id")["redemption_date"].min()
    known = pd.concat([pd.to_datetime(start) - timedelta(days=3), pd.to_datetime(first)], axis=1).min(axis=1)
    return set(known[known <= pd.Timestamp(last)].index)


def product_states(landing: Path) -> pd.DataFrame:
    """What the ERP's files say of each product from when on (`effective`), read without the project's readers.

    The full load holds from the beginning. Rows without a product are the ledger's defects.
    """
    parts = []
    for path in sorted(landing.glob("erp/products/**/*.csv")):
        rows = pd.read_csv(io.StringIO(path.read_text()), dtype=str, keep_default_na=False, na_values=["NULL"])
        rows["effective"] = BEGINNING if path.name.startswith("LOAD") else pd.to_datetime(rows["dms_timestamp"])
        parts.append(rows)
    return _last_of_each_moment(pd.concat(parts), "product_id")


def household_states(landing: Path) -> pd.DataFrame:
    """The same of households, from the CRM's extracts: an unknown income band is the ledger's defect."""
    parts = [pd.read_parquet(path) for path in sorted(landing.glob("crm/households/*/*.parquet"))]
    rows = pd.concat(parts)
    rows = rows[rows["income"].ne("251-999K") & rows["household_id"].notna()]
    rows["effective"] = rows["updated_at"].where(rows["updated_at"] >= pd.Timestamp(FIRST), BEGINNING)
    return _last_of_each_moment(rows, "household_id")


def _last_of_each_moment(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    rows = rows[rows[key].notna() & rows[key].ne("")].astype({key: "int64", "effective": "datetime64[us]"})
    # Stable, so that what was written last in an instant counts.
    return rows.sort_values("effective", kind="stable").drop_duplicates([key, "effective"], keep="last")


def as_of(lines: pd.DataFrame, states: pd.DataFrame, key: str, attributes: list[str]) -> pd.DataFrame:
    """For each line (in the order of `lines`) the attributes of its `key` when it was sold, and whether it was `known`."""
    lines = lines[[key, "sold_at"]].astype({key: "int64", "sold_at": "datetime64[us]"}).reset_index(names="nth")
    joined = pd.merge_asof(
        lines.sort_values("sold_at"), states[[key, "effective", *attributes]], left_on="sold_at", right_on="effective", by=key
    )
    joined["known"] = joined["effective"].notna()
    return joined.sort_values("nth", ignore_index=True)[[*attributes, "known"]]
