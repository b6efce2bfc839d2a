"""What a run tells Dagster: one materialization per published day, the day's verdict, and one evaluation per rule.

Belongs here: results as events, and writing many of them at once. Does not: deciding anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from retail_lake.contract import Rule, Severity
from retail_lake.cost.prices import price
from retail_lake.jobs.description import DayReport, RuleVerdict
from retail_lake.orchestration.checks import CONSERVATION, conserves, verdict_name
from retail_lake.orchestration.event_storage import BATCH_SIZE
from retail_lake.orchestration.flow import AssetResult, DayResult
from retail_lake.orchestration.graph import table_key, warehouse_key

SHOWN_DAYS = 60
"""Rows of the table of days in a check's metadata: the failed ones first."""
SHOWN_ROWS = 20
WHOLE_DAY = "all"


def key_of(result: AssetResult) -> dg.AssetKey:
    """The asset that a result is about."""
    return warehouse_key(result.table) if result.in_warehouse else table_key(result.table)


def emit(context: dg.AssetExecutionContext, events: Iterable[Any]) -> None:
    """Log events in batches: one transaction each where the storage knows how, one by one where it does not."""
    batch: list[Any] = []
    for event in events:
        batch.append(event)
        if len(batch) == BATCH_SIZE:
            _emit(context, batch)
            batch = []
    _emit(context, batch)


def _emit(context: dg.AssetExecutionContext, batch: Sequence[Any]) -> None:
    storage = context.instance.event_log_storage
    together: AbstractContextManager[None] = getattr(storage, "batch", nullcontext)()
    with together:
        for event in batch:
            context.log_event(event)


def events_of(
    result: AssetResult, where: str, region: str, selected: frozenset[dg.AssetCheckKey], tags: Mapping[str, str]
) -> Iterator[Any]:
    """Everything to tell of one table. `where` is its location, `region` has its prices; only `selected` checks are reported.

    `tags` say of what code and inputs its materializations are (`provenance.py`).
    """
    key = key_of(result)
    for day in result.days:
        if not day.bad and day.status != "superseded":
            yield _materialization(key, result, day, where, region, tags)
    for evaluation in _evaluations(key, result):
        if evaluation.asset_check_key in selected:
            yield evaluation


def _materialization(
    key: dg.AssetKey, result: AssetResult, day: DayResult, where: str, region: str, tags: Mapping[str, str]
) -> dg.AssetMaterialization:
    metadata: dict[str, Any] = {"dagster/row_count": day.rows, "status": day.status, "files": _link(where)}
    if not result.in_warehouse:
        metadata["rows_delta"] = day.rows - (day.previous_rows or 0)
    if counts := day.report or day.known:
        metadata |= {"rows_in": counts.rows_in, "quarantined": counts.quarantined, "duplicates": counts.duplicates}
    if (report := day.report) is not None:
        if report.files_read:
            metadata["files_read"] = report.files_read
        if report.problems:
            metadata["problems"] = dg.MetadataValue.md(_problems(report))
    if result.snapshot_id is not None:
        metadata["snapshot_id"] = str(result.snapshot_id)  # text: the browser's numbers lose its last digits
    if engine := day.engine or result.engine:
        metadata["engine"] = engine
    if day.console:
        metadata["console"] = dg.MetadataValue.url(day.console)
    if day.usage:
        # Numbers, so that the UI plots them; a job's are shared over its days, so that their sum is what was used.
        metadata |= {unit: float(used) for unit, used in day.usage.items()}
        metadata["cost_usd"] = price(day.usage, region)
    # A table's days are built together, so that there is no time of one day; the sum over them is the table's.
    metadata["seconds"] = round(result.seconds / max(1, len(result.days)), 4)
    # By its version the automation knows what the warehouse holds of a day.
    tags = {**tags, DATA_VERSION_TAG: day.version} if day.version else {**tags}
    return dg.AssetMaterialization(
        key, partition=day.day.isoformat() if day.day else None, description=_headline(day), metadata=metadata, tags=tags
    )


def _headline(day: DayResult) -> str:
    said = f"{day.rows:,} rows"
    if day.status == "unchanged":
        return f"{said}, unchanged: same inputs, same code"
    if day.report and day.report.quarantined:
        said += f", {day.report.quarantined:,} in quarantine"
    return f"{said}, incomplete" if day.status == "incomplete" else said


def _link(where: str) -> dg.MetadataValue:
    return dg.MetadataValue.url(where) if "://" in where else dg.MetadataValue.path(where)


def _problems(report: DayReport) -> str:
    shown = [f"- `{p.key}`: {p.problem}" for p in report.problems[:SHOWN_ROWS]]
    more = len(report.problems) - len(shown)
    return "\n".join([*shown, f"- and {more} more"] if more > 0 else shown)


def _evaluations(key: dg.AssetKey, result: AssetResult) -> Iterator[dg.AssetCheckEvaluation]:
    for day in result.days:
        yield _verdict(key, result, day)
    judged = [d for d in result.days if d.report is not None]
    if result.in_warehouse or not judged:
        return
    by_rule: dict[str, list[tuple[DayResult, RuleVerdict]]] = {}
    for day in judged:
        for verdict in day.report.verdicts if day.report else ():
            by_rule.setdefault(verdict.rule, []).append((day, verdict))
    for rule in result.table.rules:
        if found := by_rule.get(rule.name):
            yield _rule(key, rule, found, result.samples.get(rule.name, ()))
    if conserves(result.table):
        yield _conservation(key, judged)


def _verdict(key: dg.AssetKey, result: AssetResult, day: DayResult) -> dg.AssetCheckEvaluation:
    metadata: dict[str, Any] = {"status": day.status}
    if day.status not in ("failed", "skipped"):
        metadata["rows"] = day.rows
    if day.report is not None:
        failed = [v.rule for v in day.report.verdicts if not v.success]
        metadata |= {
            "rules_passed": len(day.report.verdicts) - len(failed),
            "rules_failed": len(failed),
            "rows_in": day.report.rows_in,
            "quarantined": day.report.quarantined,
        }
        failed += [] if day.report.conserved else [CONSERVATION]
        if failed:
            metadata["failed_rules"] = ", ".join(failed)
        if day.report.problems:
            metadata["problems"] = dg.MetadataValue.md(_problems(day.report))
    return dg.AssetCheckEvaluation(
        key,
        verdict_name(result.table),
        passed=not day.bad and day.status != "incomplete",
        metadata=metadata,
        # An incomplete day is published: it warns.
        severity=dg.AssetCheckSeverity.WARN if day.status == "incomplete" else dg.AssetCheckSeverity.ERROR,
        # Its first line: the rest, a job's last log lines say, is in the run's failure once and not with every day.
        description=f"{day.status}: {day.why.splitlines()[0]}" if day.why else day.status,
        partition=day.day.isoformat() if day.day else None,
    )


def _rule(
    key: dg.AssetKey,
    rule: Rule,
    found: Sequence[tuple[DayResult, RuleVerdict]],
    sample: Sequence[Mapping[str, str | None]],
) -> dg.AssetCheckEvaluation:
    failed = [d for d, v in found if not v.success]
    unexpected = sum(v.unexpected or 0 for _, v in found)
    metadata: dict[str, Any] = {
        "days_judged": len(found),
        "days_failed": len(failed),
        "days": _table_of_days(found),
    }
    if any(v.judged is not None for _, v in found):
        metadata |= {"rows_judged": sum(v.judged or 0 for _, v in found), "rows_unexpected": unexpected}
    if sample:
        metadata["sample"] = _table([_telling_first(rule, row) for row in sample[:SHOWN_ROWS]])
    first = ", ".join(str(d.day) for d in failed[:3] if d.day)
    said = "fails" if failed else ""
    if first:
        said = f"fails on {len(failed)} of {len(found)} days: {first}{' …' if len(failed) > 3 else ''}"
    days = "the table" if found[0][0].day is None else "1 day" if len(found) == 1 else f"{len(found)} days"
    return dg.AssetCheckEvaluation(
        key,
        rule.name,
        passed=not failed,
        metadata=metadata,
        severity=dg.AssetCheckSeverity.WARN if rule.severity is Severity.WARNING else dg.AssetCheckSeverity.ERROR,
        description=said or f"holds on {days}" + (f", {unexpected:,} rows tolerated" if unexpected else ""),
    )


def _table_of_days(found: Sequence[tuple[DayResult, RuleVerdict]]) -> dg.MetadataValue:
    telling = sorted(found, key=lambda f: (f[1].success, not f[1].unexpected, str(f[0].day)))[:SHOWN_DAYS]
    return _table(
        [
            {
                "day": str(day.day or WHOLE_DAY),
                "verdict": "holds" if verdict.success else "fails",
                "judged": _shown(verdict.judged),
                "unexpected": _shown(verdict.unexpected),
                "observed": _observed(verdict),
            }
            for day, verdict in telling
        ]
    )


def _observed(verdict: RuleVerdict) -> str:
    if verdict.judged:
        return f"{100 * (verdict.unexpected or 0) / verdict.judged:.3g} % unexpected"
    return verdict.details or verdict.observed or ""


def _telling_first(rule: Rule, row: Mapping[str, str | None]) -> dict[str, str | None]:
    """A violating row with what the rule is about, and where the row came from, before the rest."""
    first = [name for name in (*rule.columns, "_source_file", "_position") if name in row]
    return {name: row[name] for name in (*first, *row)}


def _shown(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _table(rows: Sequence[Mapping[str, str | None]]) -> dg.MetadataValue:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return dg.MetadataValue.table(
        records=[dg.TableRecord({n: row.get(n) or "" for n in names}) for row in rows],
        schema=dg.TableSchema(columns=[dg.TableColumn(n) for n in names]),
    )


def _conservation(key: dg.AssetKey, judged: Sequence[DayResult]) -> dg.AssetCheckEvaluation:
    reports = [d.report for d in judged if d.report]
    lost = [r for r in reports if not r.conserved]
    return dg.AssetCheckEvaluation(
        key,
        CONSERVATION,
        passed=not lost,
        metadata={
            "rows_in": sum(r.rows_in for r in reports),
            "published": sum(r.published for r in reports),
            "quarantined": sum(r.quarantined for r in reports),
            "duplicates": sum(r.duplicates for r in reports),
            **({"days": ", ".join(str(r.day or WHOLE_DAY) for r in lost[:SHOWN_DAYS])} if lost else {}),
        },
        description=f"rows are missing or too many on {len(lost)} of {len(reports)} days" if lost else None,
    )
