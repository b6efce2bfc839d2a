"""Ad-hoc questions to the lake on Athena: the Iceberg tables of the Glue catalog, gold by plain name, at so much a byte.

It stands with the warehouses because it serves gold, but nothing is loaded: what it reads is the lake itself. Belongs
here: asking, waiting, limits, what it cost. Does not: the values' types (`athena_values.py`) or people (`cli/sql.py`).
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from retail_lake.aws import client, refusals
from retail_lake.config import PREFIX, Settings
from retail_lake.cost import ledger
from retail_lake.cost.budget import Budget
from retail_lake.cost.prices import price
from retail_lake.cost.usage import athena_scanned_bytes
from retail_lake.failure import ConfigurationFailure, Failure, TransientFailure
from retail_lake.warehouse.athena_values import value

DATABASE: Final = "gold"
TABLE: Final = "ad-hoc.athena"
"""What the ledger of costs calls these queries."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 3.0
# What Athena says when the workgroup's limit stops a query.
_CUTOFF: Final = "Bytes scanned limit"
_SYSTEM: Final = 1
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a query found: columns with their types (`bigint`, `varchar`, …), rows as they are read page by page, and what
    it took: bytes that are billed, US dollars by the list price, seconds, and where the console shows it. `warning` is a
    budget's, where the settings only warn.
    """

    id: str
    columns: tuple[tuple[str, str], ...]
    rows: Iterator[tuple[Any, ...]]
    scanned_bytes: int
    dollars: float
    seconds: float
    console: str
    warning: str = ""


class Athena:
    """The workgroup of the settings. `name` says who asks: it stands in a comment of every query, and in the ledger."""

    def __init__(self, settings: Settings, name: str = "retail-lake") -> None:
        self.settings, self.name = settings, name

    @cached_property
    def _client(self) -> Any:
        return client("athena", self.settings)

    def query(self, sql: str, database: str = DATABASE) -> Answer:
        """Run one statement to its end; a plain name means a table of `database`. What it scanned goes on record, also
        when it fails. Interrupted, it is stopped. Raises `ConfigurationFailure` where the statement or a limit is wrong,
        `TransientFailure` where another try may succeed.
        """
        token = uuid.uuid4().hex
        budget = Budget(self.settings)
        warning = budget.check(self.name, price({"scanned_bytes": self.settings.athena_scan_limit}, self.settings.region), token)
        ended: dict[str, Any] = {}
        used: ledger.Used | None = None
        try:
            query_id = self._start(sql, database, token)
            ended = self._ended(query_id)
            used = self._recorded(ended)
        finally:
            budget.settle(token, used)
        if refused := self._failure(ended):
            raise refused
        columns, rows = self._results(query_id, ended.get("StatementType") == "DML")
        statistics = ended.get("Statistics", {})
        return Answer(
            id=query_id,
            columns=columns,
            rows=rows,
            scanned_bytes=int(used.usage.get("scanned_bytes", 0)),
            dollars=used.dollars,
            seconds=statistics.get("TotalExecutionTimeInMillis", 0) / 1000,
            console=self._console(query_id),
            warning=warning or "",
        )

    def unguarded(self) -> str:
        """What is wrong with the workgroup's own limit, which holds whatever becomes of this process; empty if it is right."""
        workgroup, limit = self.settings.athena_workgroup, self.settings.athena_scan_limit
        with refusals(f"{PREFIX}ATHENA_WORKGROUP={workgroup}"):
            found = self._client.get_work_group(WorkGroup=workgroup)["WorkGroup"]
        if found.get("State") == "DISABLED":
            return f"the workgroup {workgroup} is disabled: enable it or set {PREFIX}ATHENA_WORKGROUP to another"
        cutoff = found.get("Configuration", {}).get("BytesScannedCutoffPerQuery")
        if cutoff is None or cutoff > limit:
            has = "no limit of bytes per query" if cutoff is None else f"a limit of {cutoff:,} bytes per query"
            return (
                f"the workgroup {workgroup} has {has}: set its BytesScannedCutoffPerQuery to {limit:,} "
                f"({PREFIX}ATHENA_SCAN_LIMIT); without it a query is stopped only as fast as it is looked at"
            )
        return ""

    def _start(self, sql: str, database: str, token: str) -> str:
        output = (
            {"ResultConfiguration": {"OutputLocation": f"{self.settings.athena_output}/"}} if self.settings.athena_output else {}
        )
        # Without an output location Athena's own message names it; the setting is what a person looks for.
        hint = "" if output else f" ({PREFIX}ATHENA_OUTPUT is not set)"
        with refusals(f"asking Athena in {PREFIX}ATHENA_WORKGROUP={self.settings.athena_workgroup}{hint}"):
            return str(
                self._client.start_query_execution(
                    QueryString=f"{sql}\n-- {self.name}",
                    ClientRequestToken=token,
                    QueryExecutionContext={"Database": database},
                    WorkGroup=self.settings.athena_workgroup,
                    **output,
                )["QueryExecutionId"]
            )

    def _ended(self, query_id: str) -> dict[str, Any]:
        """Wait for the query's end, whatever it is. Any exception stops it; so do too many bytes and too long a time."""
        settings = self.settings
        until, pause = time.monotonic() + settings.job_timeout, _FIRST_PAUSE
        stopped = ""
        try:
            while True:
                found = self._execution(query_id)
                if found["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                    return {**found, "Stopped": stopped}
                scanned = found.get("Statistics", {}).get("DataScannedInBytes", 0)
                if not stopped and scanned > settings.athena_scan_limit:
                    stopped = f"it had scanned {scanned:,} bytes, and {PREFIX}ATHENA_SCAN_LIMIT is {settings.athena_scan_limit:,}"
                if not stopped and time.monotonic() > until:
                    stopped = f"it ran for more than {PREFIX}JOB_TIMEOUT={settings.job_timeout} s"
                if stopped:
                    self._stop(query_id)
                time.sleep(random.uniform(pause / 2, pause))
                pause = min(pause * 1.5, settings.poll_seconds, _LONGEST_PAUSE)
        except BaseException:
            with suppress(Failure):
                self._stop(query_id)
            raise

    def _execution(self, query_id: str) -> dict[str, Any]:
        with refusals(f"looking at Athena's query {query_id}"):
            found: dict[str, Any] = self._client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            return found

    def _stop(self, query_id: str) -> None:
        with refusals(f"stopping Athena's query {query_id}"):
            self._client.stop_query_execution(QueryExecutionId=query_id)

    def _failure(self, ended: dict[str, Any]) -> Failure | None:
        """Why there is no answer, by what may be done about it; None if there is one."""
        status = ended["Status"]
        if status["State"] == "SUCCEEDED":
            return None
        where = f"Athena's query {ended['QueryExecutionId']} ({self._console(ended['QueryExecutionId'])})"
        reason = status.get("StateChangeReason") or "Athena says no reason"
        if ended["Stopped"]:
            return ConfigurationFailure(
                f"{where} was stopped: {ended['Stopped']}. Read fewer days or columns, or raise the setting."
            )
        if _CUTOFF in reason:
            return ConfigurationFailure(
                f"{where} was stopped by the limit of the workgroup {self.settings.athena_workgroup} "
                f"(BytesScannedCutoffPerQuery): {reason}. Read fewer days or columns, or raise that limit."
            )
        if status["State"] == "CANCELLED":
            return ConfigurationFailure(f"{where} was cancelled by somebody: {reason}")
        error = status.get("AthenaError", {})
        if error.get("Retryable") or error.get("ErrorCategory") == _SYSTEM:
            return TransientFailure(f"{where} failed: {reason}")
        return ConfigurationFailure(f"{where} failed: {reason}")

    def _recorded(self, ended: dict[str, Any]) -> ledger.Used:
        """Put what was scanned on record. Whoever may ask need not be allowed to write there."""
        scanned = athena_scanned_bytes(ended.get("Statistics", {}).get("DataScannedInBytes", 0))
        usage = {"scanned_bytes": float(scanned)} if scanned else {}
        used = ledger.Used(
            token=ended["QueryExecutionId"],
            run_id=self.name,
            table=TABLE,
            engine="athena",
            remote_id=ended["QueryExecutionId"],
            usage=usage,
            dollars=price(usage, self.settings.region),
            ended_at=(ended["Status"].get("CompletionDateTime") or datetime.now(UTC)).astimezone(UTC),
            succeeded=ended["Status"]["State"] == "SUCCEEDED",
        )
        try:
            ledger.record(self.settings, used)
        except Failure as failure:
            _log.warning("what this query cost (%s bytes) is not on record: %s", f"{scanned:,}", failure)
        return used

    def _results(self, query_id: str, headed: bool) -> tuple[tuple[tuple[str, str], ...], Iterator[tuple[Any, ...]]]:
        """Columns and rows. The first page is read now. Of a query (as opposed to a SHOW) its first row repeats the names."""
        first = self._page(query_id, "")
        columns = tuple((c["Name"], c["Type"]) for c in first["ResultSet"]["ResultSetMetadata"]["ColumnInfo"])

        def rows() -> Iterator[tuple[Any, ...]]:
            page, skip = first, int(headed)
            while True:
                for row in page["ResultSet"]["Rows"][skip:]:
                    texts = (datum.get("VarCharValue") for datum in row["Data"])
                    yield tuple(value(text, type_) for text, (_, type_) in zip(texts, columns, strict=True))
                if not (token := page.get("NextToken")):
                    return
                page, skip = self._page(query_id, token), 0

        return columns, rows()

    def _page(self, query_id: str, token: str) -> dict[str, Any]:
        with refusals(f"reading the answer of Athena's query {query_id}"):
            page: dict[str, Any] = self._client.get_query_results(
                QueryExecutionId=query_id, **({"NextToken": token} if token else {})
            )
            return page

    def _console(self, query_id: str) -> str:
        region = self.settings.region
        return f"https://{region}.console.aws.amazon.com/athena/home?region={region}#/query-editor/history/{query_id}"
