"""What a materialization says of the code behind it, from which Dagster tells which days older code made.

Belongs here: the tags of that. Does not: what is stale by fact, inputs included (`lake/plan.py`), or what is done about it.

Dagster takes a day for stale when its code version is not the table's, or when a table it reads has another data version since. A
table's data version here is its code version. Its fingerprint, which changes with its data, would mark every day of a fact
with each row that a dimension gets, though only the days that see the row are to be built again: Dagster knows one version of a
dimension, the lake knows what each day sees of it. So the UI marks what older code made and what reads that; days whose
inputs changed are found by the automation and by `retail-lake status`.
"""

from __future__ import annotations

from typing import Final

from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from retail_lake.contract import Table
from retail_lake.orchestration.graph import Graph, landing_key, table_key

UNKNOWN: Final = "NULL"


def provenance(graph: Graph, table: Table, in_warehouse: bool, seen: int | None) -> dict[str, str]:
    """The tags of a table's materializations. `seen` is the last event that there was before it was built."""
    tags = {
        CODE_VERSION_TAG: table.code_version,
        DATA_VERSION_TAG: table.code_version,
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
    }
    sources = {table_key(s): s.code_version for s in ([table] if in_warehouse else graph.sources(table))}
    if table.landing and not in_warehouse:
        sources[landing_key(table.landing)] = DEFAULT_DATA_VERSION.value
    for key, version in sources.items():
        tags[get_input_data_version_tag(key)] = version
        tags[get_input_event_pointer_tag(key)] = UNKNOWN if seen is None else str(seen)
    return tags
