"""What serves gold: the warehouse in use, and Athena where the lake is in Glue.

Belongs here: what is asked of DuckDB's file, Redshift and Athena. Does not: loading.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from retail_lake.config import PREFIX, Settings
from retail_lake.doctor.check import Check, Doubt
from retail_lake.failure import ConfigurationFailure
from retail_lake.lake.catalog import is_glue


def checks(settings: Settings, after: str) -> Iterator[Check]:
    """What there is to look at."""
    if settings.warehouse == "duckdb":
        yield Check("warehouse", partial(_duckdb, settings))
    else:
        yield Check("redshift", partial(_redshift, settings), "redshift-data", after, _no_redshift(settings))
        yield Check("redshift schema", partial(_schema, settings), "redshift-data", "redshift")
    if is_glue(settings.catalog_uri):
        absent = (
            f"{PREFIX}ATHENA_WORKGROUP={settings.athena_workgroup}: there is no such workgroup; correct the variable or make it"
        )
        yield Check("athena", partial(_athena, settings), "athena", after, absent)


def _duckdb(settings: Settings) -> str:
    from retail_lake.duckdb_connection import connect
    from retail_lake.warehouse.connection import attach

    path = settings.warehouse_path
    if not path.exists():
        return f"{path} is made by the first load"
    with connect(settings) as connection:
        attach(connection, path, read_only=True, wait=1)
        served = "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'warehouse' AND schema_name = 'main'"
        (tables,) = connection.execute(served).fetchall()[0]
    return f"{path} can be read and has {tables} tables"


def _no_redshift(settings: Settings) -> str:
    names = ("redshift_workgroup", "redshift_cluster", "redshift_database", "redshift_secret", "region")
    told = ", ".join(f"{PREFIX}{name.upper()}={value}" for name in names if (value := getattr(settings, name)))
    return f"{told}: one of them names what is not there; correct it, or have it made"


def _redshift(settings: Settings) -> str:
    from retail_lake.warehouse.data_api import DataApi

    place = settings.redshift_workgroup or settings.redshift_cluster
    rows = DataApi(settings, "retail-lake doctor").query("SELECT 1 AS one").rows
    if rows != [(1,)]:
        raise ConfigurationFailure(f"{place} answers SELECT 1 with {rows}")
    return f"{place}, database {settings.redshift_database}, answers"


def _schema(settings: Settings) -> str:
    from retail_lake.warehouse.data_api import DataApi

    api, schema = DataApi(settings, "retail-lake doctor"), settings.redshift_schema
    variable = f"{PREFIX}REDSHIFT_SCHEMA={schema}"
    there = api.query("SELECT count(*) AS n FROM pg_namespace WHERE nspname = :schema", {"schema": schema}).rows[0][0]
    if not there:
        may = "SELECT has_database_privilege(current_database(), 'create') AS may"
        if not api.query(may).rows[0][0]:
            raise ConfigurationFailure(
                f"{variable}: there is no such schema, and the caller may not make it: grant CREATE ON DATABASE"
            )
        return f"{schema} is made by the first load"
    for privilege in ("usage", "create"):
        may = f"SELECT has_schema_privilege(:schema, '{privilege}') AS may"
        if not api.query(may, {"schema": schema}).rows[0][0]:
            raise ConfigurationFailure(f"{variable}: grant {privilege.upper()} ON SCHEMA {schema} to the caller")
    return f"the schema {schema} can be used and added to"


def _athena(settings: Settings) -> str:
    from retail_lake.warehouse.athena import Athena

    athena = Athena(settings)
    if wrong := athena.unguarded():
        raise Doubt(wrong)
    return f"the workgroup {settings.athena_workgroup} stops a query at {PREFIX}ATHENA_SCAN_LIMIT or before"
