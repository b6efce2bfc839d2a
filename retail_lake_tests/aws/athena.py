"""Athena, executing: a query's life as Athena documents it, on the real S3 server.

Belongs here: states, reasons, limits, tokens, pages. Does not: running the statement (`athena_query.py`) or workgroups,
which are moto's.
"""

from __future__ import annotations

import csv
import io
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from moto.athena.models import WorkGroup, athena_backends

from retail_lake_tests.aws.athena_query import Query, Refused, Result, column
from retail_lake_tests.aws.faults import JobFault
from retail_lake_tests.aws.service import ACCOUNT, AwsError, Call, Service

PAGE: Final = 1000
_ENDED: Final = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass
class Execution:
    """One query. `stop` is set when it is to be cancelled; `fault` is what a test ordered for it."""

    id: str
    params: dict[str, Any]
    output: str
    cutoff: int | None
    fault: JobFault | None
    state: str = "QUEUED"
    reason: str = ""
    error: dict[str, Any] | None = None
    scanned: int = 0
    result: Result | None = None
    submitted: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed: datetime | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def end(self, state: str, reason: str = "") -> None:
        """It is over. The state comes last: whoever sees it sees the rest."""
        self.reason, self.completed = reason, datetime.now(UTC)
        self.state = state


class Athena(Service):
    """Queries by id. `hanging_scan` is how many bytes a query that hangs by order says it has scanned."""

    name = "athena"

    def __init__(self) -> None:
        self._queries: dict[str, Execution] = {}
        self._lock = threading.Lock()
        self.hanging_scan = 0

    def reset(self) -> None:
        """Stop every query and forget it."""
        with self._lock:
            for query in self._queries.values():
                query.stop.set()
            self._queries.clear()
        self.hanging_scan = 0

    close = reset

    # -- operations --------------------------------------------------------------------------------------------------

    def start_query_execution(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """A token that is known gives the query it was used for, or an error if it was another one."""
        token = params.get("ClientRequestToken")
        asked = {name: given for name, given in params.items() if name != "ClientRequestToken"}
        with self._lock:
            for query in self._queries.values():
                if token and query.params.get("ClientRequestToken") == token:
                    if {n: g for n, g in query.params.items() if n != "ClientRequestToken"} != asked:
                        raise AwsError("InvalidRequestException", "Idempotent parameters do not match")
                    return {"QueryExecutionId": query.id}
            workgroup = self._workgroup(params.get("WorkGroup", "primary"), call.region)
            if workgroup.state == "DISABLED":
                raise AwsError("InvalidRequestException", f"WorkGroup {workgroup.name} is disabled.")
            configuration = workgroup.configuration or {}
            output = _output(params, configuration)
            cutoff = configuration.get("BytesScannedCutoffPerQuery")
            fault = self.aws.faults.due_job(self.name, params)
            query = Execution(str(uuid.uuid4()), params, output, cutoff, fault.job if fault else None)
            self._queries[query.id] = query
        threading.Thread(target=self._run, args=(query, call.region), name=f"athena {query.id}", daemon=True).start()
        return {"QueryExecutionId": query.id}

    def get_query_execution(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """The query as it is now."""
        query = self._known(params["QueryExecutionId"])
        status = {
            "State": query.state,
            "StateChangeReason": query.reason or None,
            "SubmissionDateTime": query.submitted,
            "CompletionDateTime": query.completed,
            "AthenaError": query.error,
        }
        spent = int(((query.completed or datetime.now(UTC)) - query.submitted).total_seconds() * 1000)
        return {
            "QueryExecution": {
                "QueryExecutionId": query.id,
                "Query": query.params["QueryString"],
                "StatementType": "DML",
                "ResultConfiguration": {"OutputLocation": f"{query.output}{query.id}.csv"},
                "QueryExecutionContext": query.params.get("QueryExecutionContext", {}),
                "Status": {name: told for name, told in status.items() if told is not None},
                "Statistics": {"DataScannedInBytes": query.scanned, "TotalExecutionTimeInMillis": spent},
                "WorkGroup": query.params.get("WorkGroup", "primary"),
            }
        }

    def stop_query_execution(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Ask a query to end. One that has ended is no matter."""
        self._known(params["QueryExecutionId"]).stop.set()
        return {}

    def get_query_results(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """A page of at most a thousand rows; the first row of the first page has the columns' names."""
        query = self._known(params["QueryExecutionId"])
        if query.result is None:
            if query.state in _ENDED:
                raise AwsError("InvalidRequestException", f"Query did not finish successfully. Final query state: {query.state}")
            raise AwsError("InvalidRequestException", f"Query has not yet finished. Current state: {query.state}")
        found = query.result
        start, size = int(params.get("NextToken") or 0), params.get("MaxResults", PAGE)
        rows = [found.names, *found.rows]
        more = {"NextToken": str(start + size)} if start + size < len(rows) else {}
        data = [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows[start : start + size]]
        columns = [column(name, type_) for name, type_ in zip(found.names, found.types, strict=True)]
        return {"UpdateCount": 0, "ResultSet": {"Rows": data, "ResultSetMetadata": {"ColumnInfo": columns}}, **more}

    def get_work_group(self, params: dict[str, Any], call: Call) -> Any:
        """Moto's answer, which for one that is not there would be an empty one."""
        self._workgroup(params["WorkGroup"], call.region)
        return self.aws.moto(call)

    # -- running -----------------------------------------------------------------------------------------------------

    def _known(self, query_id: str) -> Execution:
        with self._lock:
            if query_id not in self._queries:
                raise AwsError("InvalidRequestException", f"QueryExecution {query_id} was not found")
            return self._queries[query_id]

    def _workgroup(self, name: str, region: str) -> WorkGroup:
        found = athena_backends[ACCOUNT][region].work_groups.get(name)
        if found is None:
            raise AwsError("InvalidRequestException", f"WorkGroup {name} is not found.")
        return found

    def _run(self, query: Execution, region: str) -> None:
        query.state = "RUNNING"
        try:
            if query.fault is JobFault.HANGS:
                query.scanned = self.hanging_scan
                query.stop.wait()
            elif query.fault is JobFault.CAPACITY:
                raise Refused("Query exhausted resources at this scale factor", category=1)
            elif query.fault is not None:
                raise Refused("GENERIC_INTERNAL_ERROR: ordered by the test", category=1, retryable=True)
            else:
                self._answer(query, region)
        except Refused as refused:
            query.error = {"ErrorCategory": refused.category, "Retryable": refused.retryable, "ErrorMessage": str(refused)}
            query.end("FAILED", str(refused))
        except Exception as error:
            # A fault of this Athena: the test that asked must not wait for ever.
            query.end("FAILED", f"GENERIC_INTERNAL_ERROR: {error!r}")
        if query.state not in _ENDED:
            query.end("CANCELLED", "Query cancelled by user")

    def _answer(self, query: Execution, region: str) -> None:
        database = query.params.get("QueryExecutionContext", {}).get("Database", "default")
        asked = Query(query.params["QueryString"], database, region, self.aws.s3)
        if query.cutoff is not None and asked.scans > query.cutoff:
            query.scanned = query.cutoff
            query.end("CANCELLED", "Bytes scanned limit was exceeded")
            return
        result = asked.run()
        query.scanned = asked.scans
        if not query.stop.is_set():
            self._write(query, result)
            query.result = result
            query.end("SUCCEEDED")

    def _write(self, query: Execution, result: Result) -> None:
        """The result file that Athena leaves."""
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([result.names, *result.rows])
        bucket, _, prefix = query.output.removeprefix("s3://").partition("/")
        self.aws.client("s3").put_object(Bucket=bucket, Key=f"{prefix}{query.id}.csv", Body=text.getvalue().encode())


def _output(params: dict[str, Any], configuration: dict[str, Any]) -> str:
    """Where the result goes: as the workgroup enforces, else as the request says, else as the workgroup says."""
    asked = params.get("ResultConfiguration", {}).get("OutputLocation", "")
    given = configuration.get("ResultConfiguration", {}).get("OutputLocation", "")
    enforced = configuration.get("EnforceWorkGroupConfiguration", False) and given
    output: str = given if enforced else asked or given
    if not output:
        raise AwsError(
            "InvalidRequestException",
            "No output location provided. An output location is required either through the Workgroup result configuration "
            "setting or as an API input.",
        )
    return output if output.endswith("/") else f"{output}/"
