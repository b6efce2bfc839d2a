"""Materializing a range of days from Python: one run, in this process, in the instance that the UI shows.

Belongs here: launching and summing up. Does not: showing it to a person (`cli`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from retail_lake.failure import BUG, KINDS, ConfigurationFailure

if TYPE_CHECKING:
    import dagster as dg

    from retail_lake.config import Settings
    from retail_lake.orchestration.flow import AssetResult

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
NO_RETRIES = "dagster/max_retries"
"""Nothing can begin a run of the command line again but whoever started it: Dagster is not to announce that it will."""
IMPLICIT_JOB = "__ASSET_JOB"
KIND = "failure"
"""The metadata of a run's failure that has its kind."""


@dataclass(frozen=True)
class RunSummary:
    """What a run did. `results` has each table's days, `problems` the bad ones in words, `failure` the kind of what went wrong
    (empty if nothing did), `run_id` finds it in the UI."""

    run_id: str
    success: bool
    results: tuple[AssetResult, ...]
    problems: str
    seconds: float
    seconds_by_asset: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""


def materialize_range(
    tables: Iterable[str] | None,
    first: date,
    last: date,
    *,
    settings: Settings | None = None,
    definitions: dg.Definitions | None = None,
    engine: str = "",
    force: bool = False,
    progress: Callable[[str], None] | None = None,
) -> RunSummary:
    """Bring tables up to date for a range of days, both ends included, in one run of this process.

    `tables` are `layer.table` or `warehouse.table`; None takes all. Unpartitioned ones are built whole. A bad day is not
    an exception: it is in the summary. Raises `ConfigurationFailure` for days outside the lake, unknown tables and
    whatever the run says is configured wrongly.
    """
    from retail_lake.config import settings as current_settings
    from retail_lake.orchestration import build_definitions
    from retail_lake.orchestration.alive import process_tag
    from retail_lake.orchestration.instance import open_instance
    from retail_lake.orchestration.step import watching

    settings = settings or current_settings()
    if not settings.first_day <= first <= last <= settings.last_day:
        raise ConfigurationFailure(
            f"{first} to {last} is not within the lake's days, {settings.first_day} to {settings.last_day}:"
            " set RETAIL_LAKE_FIRST_DAY and RETAIL_LAKE_LAST_DAY."
        )
    started = time.monotonic()
    with open_instance(settings) as instance:
        definitions = definitions or build_definitions(settings=settings)
        job = definitions.resolve_implicit_global_asset_job_def()
        with watching(progress) as results:
            result = job.execute_in_process(
                instance=instance,
                asset_selection=_selection(job, tables),
                tags={RANGE_START: first.isoformat(), RANGE_END: last.isoformat(), NO_RETRIES: "0", **process_tag()},
                run_config=_run_config(engine, force, quiet=progress is not None),
                raise_on_error=False,
            )
        done: Sequence[Any] = tuple(results)
        failure = next((e for e in result.all_events if e.is_step_failure), None)
    if failure is not None and not any(d.bad for r in done for d in r.days):
        raise _reason(failure)
    return RunSummary(
        run_id=result.run_id,
        success=result.success,
        results=tuple(done),
        problems=_words(failure),
        seconds=time.monotonic() - started,
        seconds_by_asset={r.name: r.seconds for r in done},
        failure=_kind(failure),
    )


def _selection(job: Any, tables: Iterable[str] | None) -> list[dg.AssetKey]:
    import dagster as dg

    from retail_lake.orchestration.graph import OPS

    known = {".".join(key.path): key for key in job.asset_layer.executable_asset_keys if key.path[0] != OPS}
    if tables is None:
        return sorted(known.values())
    if unknown := sorted(set(tables := list(tables)) - set(known)):
        raise ConfigurationFailure(f"There is no table {', '.join(unknown)}. There are: {', '.join(sorted(known))}.")
    return [dg.AssetKey(name.split(".")) for name in tables]


def _run_config(engine: str, force: bool, *, quiet: bool) -> dict[str, Any]:
    from retail_lake.orchestration.assets import STEP

    config: dict[str, Any] = {"ops": {STEP: {"config": {"engine": engine, "force": force}}}}
    if quiet:
        # The caller shows progress itself; the events are in the instance either way.
        config["loggers"] = {"console": {"config": {"log_level": "CRITICAL"}}}
    return config


def _words(failure: Any) -> str:
    if failure is None:
        return ""
    data = failure.step_failure_data
    said = data.user_failure_data.description if data.user_failure_data else None
    return str(said or data.error_display_string)


def _kind(failure: Any) -> str:
    if failure is None:
        return ""
    said = failure.step_failure_data.user_failure_data
    kind = said.metadata.get(KIND) if said else None
    return str(kind.value) if kind else BUG


def _reason(failure: Any) -> Exception:
    """What stopped a run before its end, as the exception that it was."""
    kind = KINDS.get(_kind(failure))
    return kind(_words(failure)) if kind else RuntimeError(_words(failure))
