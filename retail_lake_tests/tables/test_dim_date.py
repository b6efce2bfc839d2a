"""dim_date against the standard library's ISO calendar and a 4-5-4 calendar counted week by week."""

from datetime import date, timedelta

import pytest

from retail_lake_tests.tables.chain import connect, run

Retail = tuple[int, date, int, int, int, int]


def retail_calendar() -> dict[date, Retail]:
    """Day -> (year, its start, quarter, month, week, week of the month), walked from the known start of 1999."""
    calendar: dict[date, Retail] = {}
    start = date(1999, 1, 31)
    while start <= date(2049, 12, 31):
        saturdays = [date(start.year + 1, 1, 31) + timedelta(days=i) for i in range(-3, 4)]
        (end,) = [day for day in saturdays if day.weekday() == 5]
        months = [(month, week) for month, weeks in enumerate([4, 5, 4] * 4, 1) for week in range(1, weeks + 1)]
        if (end - start).days + 1 == 53 * 7:
            months.append((12, 5))
        assert (end - start).days + 1 == len(months) * 7
        for number, (month, week) in enumerate(months, 1):
            for weekday in range(7):
                day = start + timedelta(days=7 * (number - 1) + weekday)
                calendar[day] = (start.year, start, (month + 2) // 3, month, number, week)
        start = end + timedelta(days=1)
    return calendar


@pytest.fixture(scope="module")
def rows() -> dict[date, dict[str, object]]:
    connection = connect()
    run(connection, "gold.dim_date")
    found = connection.sql("SELECT * FROM gold__dim_date")
    return {row[0]: dict(zip(found.columns, row, strict=True)) for row in found.fetchall()}


def test_every_day_once(rows: dict[date, dict[str, object]]) -> None:
    assert set(rows) == {date(2000, 1, 1) + timedelta(days=i) for i in range(18_263)}
    assert max(rows) == date(2049, 12, 31)


def test_civil_and_iso_calendar(rows: dict[date, dict[str, object]]) -> None:
    for day, row in rows.items():
        iso = day.isocalendar()
        assert (row["year"], row["month"], row["day_of_month"]) == (day.year, day.month, day.day)
        assert row["quarter"] == (day.month + 2) // 3
        assert (row["iso_year"], row["iso_week"], row["iso_day_of_week"]) == (iso.year, iso.week, iso.weekday)
        assert row["is_weekend"] is (iso.weekday >= 6)


def test_retail_calendar(rows: dict[date, dict[str, object]]) -> None:
    names = ("retail_year", "retail_year_start", "retail_quarter", "retail_month", "retail_week", "retail_period_week")
    calendar = retail_calendar()
    for day, row in rows.items():
        assert tuple(row[name] for name in names) == calendar[day], day


@pytest.mark.parametrize(
    ("year", "start", "weeks"),
    [
        # As the National Retail Federation publishes them.
        (2006, date(2006, 1, 29), 53),
        (2012, date(2012, 1, 29), 53),
        (2016, date(2016, 1, 31), 52),
        (2017, date(2017, 1, 29), 53),
        (2018, date(2018, 2, 4), 52),
        (2019, date(2019, 2, 3), 52),
        (2023, date(2023, 1, 29), 53),
        (2024, date(2024, 2, 4), 52),
    ],
)
def test_published_years(rows: dict[date, dict[str, object]], year: int, start: date, weeks: int) -> None:
    days = [day for day, row in rows.items() if row["retail_year"] == year]
    assert (min(days), len(days)) == (start, 7 * weeks)
