"""Assets from contracts: what the UI shows of each table, and the one step that builds them.

Belongs here: specs with their descriptions and definition metadata. Does not: what the step does (`step.py`).

Without postponed annotations: Dagster reads the step's own, and does not resolve text.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from retail_lake.config import ENGINES, Settings
from retail_lake.contract import Table
from retail_lake.engines.routed import choose
from retail_lake.orchestration.checks import check_specs, in_words, warehouse_check_specs
from retail_lake.orchestration.freshness import freshness_policy
from retail_lake.orchestration.graph import LANDING, WAREHOUSE, Graph, table_key, warehouse_key
from retail_lake.orchestration.step import BUILD_DAYS, Materialize, RunOptions, run_step

STEP = "build"
TABLES = Path(__file__).resolve().parent.parent / "tables"
_SHOWN_SOURCES = 4
_ENGINE_KINDS: Mapping[str, str] = {
    "local": "duckdb", "spark": "spark", "glue": "glue", "emr_serverless": "emr", "emr": "emr", "awslambda": "lambda",
}  # fmt: skip
"""What the UI calls an engine: what it has an icon for, or a name that people know."""


def external_assets(graph: Graph) -> list[dg.AssetSpec]:
    """The landed datasets: other systems write them, the lake only reads."""
    return [
        dg.AssetSpec(
            key,
            group_name=LANDING,
            description=(
                f"Files of `{landing.dataset}` from the system `{landing.system}`, byte for byte as they arrived.\n\n"
                f"Keys below `{landing.system}/{landing.dataset}/` match `{landing.pattern}`; read by `sources/{landing.reader}`."
            ),
            partitions_def=graph.days,
            kinds={"file"},
            tags={"layer": LANDING},
            metadata={"dagster/uri": f"{graph.settings.landing_uri}/{landing.system}/{landing.dataset}/"},
        )
        for key, landing in graph.landings().items()
    ]


def lake_assets(graph: Graph, materialize: Materialize | None = None) -> dg.AssetsDefinition:
    """All lake and warehouse tables as one step, of which any selection can run: one process, one run, one event per day."""
    lineage = _lineage(graph)
    specs = [_spec(graph, t, lineage.get(t.full_name, {})) for t in graph.tables.values()]
    specs += [_warehouse_spec(graph, t) for t in graph.gold()]
    checks = [c for t in graph.tables.values() for c in check_specs(graph, t)]
    checks += [c for t in graph.gold() for c in warehouse_check_specs(graph, t)]

    @dg.multi_asset(
        name=STEP,
        specs=specs,
        check_specs=checks,
        can_subset=True,
        required_resource_keys={"lake", "warehouse", *ENGINES},
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def build(context: dg.AssetExecutionContext, config: RunOptions) -> Iterator[Any]:
        yield from run_step(context, graph, config, materialize)

    return build


def build_days(graph: Graph) -> UnresolvedAssetJobDefinition:
    """Every table for the days chosen in one run, the dimensions included, past a bad day too."""
    keys = [table_key(t) for t in graph.tables.values()] + [warehouse_key(t) for t in graph.gold()]
    return dg.define_asset_job(
        BUILD_DAYS,
        dg.AssetSelection.assets(*keys),
        description=(
            "Every table of the lake and the warehouse for the days chosen, in one run. A day that must not be published "
            "stops nothing but itself. Days that are as published already are left alone."
        ),
    )


def _spec(graph: Graph, table: Table, lineage: Mapping[str, list[tuple[str, str]]]) -> dg.AssetSpec:
    metadata: dict[str, Any] = {
        "dagster/relation_identifier": table.full_name,
        "dagster/column_schema": column_schema(table, lineage),
        "dagster/uri": f"{graph.settings.lake_uri}/{table.layer}/{table.name}",
    }
    if table.sql:
        metadata["sql"] = dg.MetadataValue.md(f"```sql\n{table.sql}\n```")
    if (file := TABLES / str(table.layer) / f"{table.name}.py").is_file():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=dg.BetaWarning)  # of references to code, in this pinned version
            here = dg.LocalFileCodeReference(file_path=str(file), line_number=1, label=f"tables/{table.layer}/{file.name}")
            metadata["dagster/code_references"] = dg.CodeReferencesMetadataValue(code_references=[here])
    if lineage:
        metadata["dagster/column_lineage"] = column_lineage(graph, lineage)
    return dg.AssetSpec(
        table_key(table),
        deps=graph.deps(table),
        description=description(table),
        group_name=str(table.layer),
        partitions_def=graph.partitions(table),
        code_version=table.code_version,
        freshness_policy=freshness_policy(graph.settings, table),
        owners=[table.owner],
        kinds={"iceberg", _ENGINE_KINDS[choose(graph.settings, table)], str(table.layer)},
        tags=_tags(table, str(table.layer)),
        metadata=metadata,
        skippable=True,
    )


def _warehouse_spec(graph: Graph, table: Table) -> dg.AssetSpec:
    same = {c.name: [(table.full_name, c.name)] for c in table.columns}
    return dg.AssetSpec(
        warehouse_key(table),
        deps=[dg.AssetDep(table_key(table))],
        description=f"`{table.full_name}` in the warehouse, as `{_served_as(graph.settings, table)}`.\n\n{description(table)}",
        group_name=WAREHOUSE,
        partitions_def=graph.partitions(table),
        code_version=table.code_version,
        freshness_policy=freshness_policy(graph.settings, table),
        owners=[table.owner],
        kinds={graph.settings.warehouse, "table"},
        tags=_tags(table, WAREHOUSE),
        metadata={
            "dagster/relation_identifier": _served_as(graph.settings, table),
            "dagster/column_schema": column_schema(table),
            "dagster/column_lineage": column_lineage(graph, same),
        },
        skippable=True,
    )


def _served_as(settings: Settings, table: Table) -> str:
    """What readers of the warehouse call a table."""
    return f"{settings.redshift_schema}.{table.name}" if settings.warehouse == "redshift" else table.name


def _tags(table: Table, layer: str) -> dict[str, str]:
    return {"layer": layer, "workload": str(table.workload), **({"pii": ""} if table.pii else {})}


def description(table: Table) -> str:
    """The contract as Markdown: what it is, grain, key, columns, rules."""
    lines = [table.description, "", f"**Grain:** {table.grain}"]
    if table.key:
        lines += ["", "**Key:** " + ", ".join(f"`{k}`" for k in table.key) + (f" within `{table.day}`" if table.day else "")]
    if table.day:
        window = f", each from the {table.window} days that end with it" if table.window > 1 else ""
        lines += ["", f"**Days:** by `{table.day}`{window}"]
    return "\n".join(lines)


def column_schema(table: Table, lineage: Mapping[str, list[tuple[str, str]]] | None = None) -> dg.TableSchema:
    """The contract's columns with what the rules say of each, and where it comes from: the UI shows lineage by no other way."""
    said: dict[str, list[str]] = {}
    for rule in table.rules:
        if len(rule.columns) == 1:
            said.setdefault(rule.columns[0], []).append(in_words(rule))
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                c.name,
                type=c.type,
                description=c.comment + _comes_from((lineage or {}).get(c.name, ())),
                constraints=dg.TableColumnConstraints(
                    nullable="not null" not in said.get(c.name, []),
                    unique="unique" in said.get(c.name, []),
                    other=[s for s in said.get(c.name, []) if s not in ("not null", "unique")],
                ),
                tags={"pii": ""} if c.pii else {},
            )
            for c in table.columns
        ]
    )


def _comes_from(sources: Sequence[tuple[str, str]]) -> str:
    named = list(dict.fromkeys(f"`{table}.{column}`" for table, column in sources))
    more = f" and {len(named) - _SHOWN_SOURCES} more" if len(named) > _SHOWN_SOURCES else ""
    return f" ← {', '.join(named[:_SHOWN_SOURCES])}{more}" if named else ""


def column_lineage(graph: Graph, lineage: Mapping[str, list[tuple[str, str]]]) -> dg.TableColumnLineage:
    """Each column's sources, `(table, column)` with the table's full name, as Dagster shows them."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(table_key(graph.tables[name]), source) for name, source in sources if name in graph.tables]
            for column, sources in lineage.items()
        }
    )


def _lineage(graph: Graph) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Column lineage of every table that has SQL, from its syntax tree; said aloud where there is none."""
    try:
        from retail_lake.sql.lineage import column_lineage as trace
    except ImportError:
        warnings.warn("Column lineage is not shown: retail_lake.sql.lineage is missing.", stacklevel=2)
        return {}
    traced: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for name, table in graph.tables.items():
        # A silver query also selects the day of the bronze row, which the table does not keep.
        kept = {c.name for c in table.columns}
        traced[name] = {column: list(sources) for column, sources in trace(table, graph.tables).items() if column in kept}
    return traced
