"""`retail-lake reload`: a warehouse table built anew from the lake, after a change that adding columns cannot make."""

from __future__ import annotations

import click


@click.command(name="reload", short_help="Build warehouse tables anew from the lake.")
@click.argument("tables", nargs=-1, metavar="TABLE...")
@click.option("--all", "every", is_flag=True, help="Every table that the lake has published.")
def command(tables: tuple[str, ...], every: bool) -> None:
    """Drop each TABLE of the warehouse and load all of its published days from the lake.

    For a contract that changed in a way the warehouse refuses, or (`--all`) for a warehouse that was lost. The lake is only
    read.
    """
    import uuid

    from retail_lake.cli.common import console, find_tables, settings
    from retail_lake.contract import Layer
    from retail_lake.failure import ConfigurationFailure
    from retail_lake.lake.lake import Lake
    from retail_lake.tables import TABLES
    from retail_lake.warehouse import open_warehouse

    current = settings()
    if every == bool(tables):
        raise ConfigurationFailure("Name the tables to load, or give --all for every one.")
    gold = {name: table for name, table in TABLES.items() if table.layer is Layer.GOLD}
    lake, warehouse = Lake(current), open_warehouse(current)
    # Dimensions before the facts that need them.
    chosen = find_tables(tables, gold) or sorted(gold.values(), key=lambda t: t.day is not None)
    if every:
        chosen = [table for table in chosen if lake.stored(table.full_name) is not None]
    for table in chosen:
        if lake.stored(table.full_name) is None:
            raise ConfigurationFailure(f"{table.full_name} was never published: there is nothing to load {table.name} from.")
    for table in chosen:
        warehouse.drop(table)
        outcome = warehouse.load(table, None, lake, run_id=f"reload-{uuid.uuid4().hex[:8]}")
        console().print(f"{table.name}: {outcome.total_rows:,} rows in {outcome.seconds:.1f} s")
