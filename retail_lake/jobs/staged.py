"""A day's staged rows as a data frame: what Great Expectations judges where no grouped query can.

Belongs here: reading staged files back. They are Parquet whichever engine wrote them, so that every engine has the same
values judged, also where its own way to a data frame would lose some (integers among NULLs, the year 9999).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from retail_lake.config import Settings
from retail_lake.contract import Column
from retail_lake.jobs.description import StagedFile
from retail_lake.storage import failures, filesystem

if TYPE_CHECKING:
    from pandas import DataFrame


def frame_of(files: Sequence[StagedFile], day: date | None, columns: Sequence[Column], settings: Settings) -> DataFrame:
    """These columns of the rows staged of a day; with None, of an unpartitioned table.

    Raises a `Failure` where the files cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from retail_lake.arrow_types import arrow_schema

    schema = arrow_schema(columns)
    tables = [schema.empty_table()]
    for file in files:
        if file.day == day:
            system, path = filesystem(file.uri, settings)
            with failures(file.uri):
                # The folder is named after the day, which the file itself has too.
                tables.append(pq.read_table(path, schema=schema, columns=schema.names, filesystem=system, partitioning=None))
    return pa.concat_tables(tables).to_pandas(date_as_object=False, integer_object_nulls=True)
