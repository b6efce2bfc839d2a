"""Which days see a rebuilt dimension differently, so that only those days of the facts are stale."""

from __future__ import annotations

from datetime import date

from retail_lake.contract import Table
from retail_lake.jobs.description import JobDescription
from retail_lake.jobs.session import Session

EVERY_DAY = (date.min, date.max)


def changed_days(table: Table, job: JobDescription, session: Session) -> tuple[date, date] | None:
    """First and last day that see a change between the published state and `published` (what is staged); None if none.

    With `validity`, a changed row matters while it is valid; its end alone (and that it is the current row no more) does
    not count, since the row that ended it is a change of its own. A key that was not there before matters only from its
    second version on: no earlier day can have referred to it, and the first version's surrogate key is the one that facts
    fall back to. Without `validity`, a changed or vanished row matters to every day and a new one to none.
    """
    if job.previous is None or job.previous.snapshot_id is None:
        return EVERY_DAY
    session.parquet("previous", job.previous, table.columns)
    ignored = (table.validity.ends, table.validity.current) if table.validity else ()
    names = ", ".join(c.name for c in table.columns if c.name not in ignored)
    session.keep("came", f"SELECT {names} FROM published EXCEPT SELECT {names} FROM previous")
    session.keep("went", f"SELECT {names} FROM previous EXCEPT SELECT {names} FROM published")
    if not table.validity:
        key = " AND ".join(f"c.{k} = p.{k}" for k in table.key)
        vanished = session.query("SELECT count(*) AS n FROM went")[0]["n"]
        altered = session.query(f"SELECT count(*) AS n FROM came AS c INNER JOIN previous AS p ON {key}")[0]["n"]
        return EVERY_DAY if vanished or altered else None
    natural, start, end, _ = table.validity
    keys = f"came.{natural} = p.{natural} AND came.{start} = p.{start}"
    came = (
        f"SELECT p.{start} AS starts, p.{end} AS ends FROM published AS p INNER JOIN came ON {keys}"
        f" LEFT JOIN (SELECT DISTINCT {natural} FROM previous) AS known ON p.{natural} = known.{natural}"
        f" WHERE known.{natural} IS NOT NULL OR p.{start} > TIMESTAMP '1900-01-01 00:00:00'"
    )
    went = f"SELECT p.{start} AS starts, p.{end} AS ends FROM previous AS p INNER JOIN went AS came ON {keys}"
    (row,) = session.query(
        f"SELECT business_day(min(starts)) AS first, business_day(max(ends)) AS last FROM ({came} UNION ALL {went}) AS t"
    )
    return (row["first"], row["last"]) if row["first"] else None
