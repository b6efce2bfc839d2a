"""A real job that is over at once: three stores as landed, to bronze or on to silver.

Belongs here: descriptions that any place a job program runs in can be given. Does not: what must come out.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from retail_lake.config import Settings
from retail_lake.engines.local import LocalEngine
from retail_lake.jobs.description import JobDescription
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import plan
from retail_lake.materialize import materialize
from retail_lake.tables import TABLES

DAY = date(2017, 1, 1)
STORES = 2
_LANDED = """
    COPY (SELECT * FROM (VALUES
        (292::BIGINT, 'Harrow', 'Superstore', 'East', 'Harrow', DATE '1999-05-01', 1::BIGINT, TIMESTAMP '2016-12-31 08:00:00'),
        (293, 'Ashby', 'Express', 'West', 'Ashby', DATE '2003-02-01', 2, TIMESTAMP '2016-12-31 08:00:00'),
        (NULL, 'Nameless', 'Express', 'West', 'Ashby', DATE '2003-02-01', 2, TIMESTAMP '2016-12-31 08:00:00')
    ) AS t(store_id, store_name, store_format, region, city, opened_on, store_group, updated_at)) TO '{path}' (FORMAT parquet)
"""


def describe(folder: Path) -> dict[str, JobDescription]:
    """The jobs of `bronze.crm_stores` and `silver.stores` in a lake of that folder: two sound rows and one without a key."""
    settings = Settings(home=folder, first_day=DAY, last_day=date(2017, 1, 3))
    landed = folder / "landing" / "crm" / "stores" / str(DAY) / "stores_20170101_v1.parquet"
    landed.parent.mkdir(parents=True)
    duckdb.sql(_LANDED.format(path=landed))
    lake, jobs = Lake(settings), {}
    for name in ("bronze.crm_stores", "silver.stores"):
        (job,) = plan(lake, TABLES[name], [DAY], run_id="small", force=True).jobs
        jobs[name] = job.model_copy(update={"staging": f"file://{folder / 'staged' / name}"})
        materialize(lake, LocalEngine(settings), TABLES[name], [DAY], run_id="small")
    return jobs
