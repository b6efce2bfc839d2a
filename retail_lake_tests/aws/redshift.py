"""Redshift behind its Data API: statements are submitted, described, cancelled and their answers read.

Belongs here: the operations and what they refuse. Does not: running what was submitted (`redshift_runs.py`).
"""

from __future__ import annotations

import threading
from typing import Any

from retail_lake_tests.aws.postgres import Postgres
from retail_lake_tests.aws.redshift_runs import RUNNING, Database, Fault, Part, Work
from retail_lake_tests.aws.redshift_sql import placeholders, verb
from retail_lake_tests.aws.service import AwsError, Call, Service

NAMES = frozenset({"retail-lake"})
"""The workgroups and clusters that there are."""
PAGE_ROWS = 100
STATEMENT_BYTES = 100_000


class RedshiftData(Service):
    """See `Service`. `fault` orders what happens to statements; `sql` lets a test look into the database past the API."""

    name = "redshift-data"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[str, Work] = {}
        self._database = Database(lambda: self.aws.client("s3"))

    # -- for tests -------------------------------------------------------------------------------------------------

    def fault(self, fault: Fault) -> Fault:
        """Order a fault; it comes back, to wait for and to release."""
        return self._database.order(fault)

    def sql(self, statement: str, search_path: str = "public") -> list[tuple[Any, ...]]:
        """Run PostgreSQL's own SQL and give its rows, as any other reader of the database sees them."""
        with self._database.connect() as connection:
            connection.execute("SELECT set_config('search_path', %s, false)", [search_path])
            # Who only reads never waits: if this one has to, the test has found something.
            connection.execute("SET lock_timeout = '5s'")
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def server(self) -> Postgres:
        """The server behind it, to be killed and started again; started now if it is not there yet."""
        return self._database.server()

    def csv(self, query: str) -> bytes:
        """A query's rows as CSV without a header, whatever their number."""
        command = f"COPY ({query}) TO STDOUT (FORMAT csv)"
        with self._database.connect() as connection, connection.cursor().copy(command) as stream:
            return b"".join(bytes(part) for part in stream)

    def running(self) -> list[str]:
        """The ids of what has not ended."""
        with self._lock:
            return [w.id for w in self._works.values() if w.status in RUNNING]

    def reset(self) -> None:
        """See `Service`."""
        with self._lock:
            works = list(self._works.values())
            self._works.clear()
        for work in works:
            self._database.cancel(work)
        for work in works:
            if work.thread:
                work.thread.join(10)
        self._database.wipe()

    def close(self) -> None:
        """See `Service`."""
        self._database.close()

    # -- operations ------------------------------------------------------------------------------------------------

    def execute_statement(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Run one statement."""
        return self._submit(params, [params["Sql"]], batch=False)

    def batch_execute_statement(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Run statements as one transaction."""
        if params.get("ExecutionMode", "TRANSACTION") != "TRANSACTION":
            raise AwsError("ValidationException", "ExecutionMode AUTO_COMMIT is not known to this Redshift")
        return self._submit(params, params["Sqls"], batch=True)

    def describe_statement(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """The state of what was submitted."""
        work, _ = self._find(params["Id"])
        described: dict[str, Any] = {
            "Id": work.id,
            "Status": work.status,
            "Database": work.request["Database"],
            "WorkgroupName": work.request.get("WorkgroupName"),
            "ClusterIdentifier": work.request.get("ClusterIdentifier"),
            "CreatedAt": work.created,
            "UpdatedAt": work.updated,
            "Duration": _nanoseconds(sum(p.seconds for p in work.parts)),
            "HasResultSet": any(p.columns is not None for p in work.parts),
            "Error": work.error or None,
            "QueryParameters": work.request.get("Parameters"),
        }
        if not work.batch:
            return described | {"QueryString": work.parts[0].sql, "ResultRows": _result_rows(work.parts[0])}
        return described | {
            "SubStatements": [
                {
                    "Id": f"{work.id}:{number}",
                    "Status": part.status,
                    "QueryString": part.sql,
                    "CreatedAt": work.created,
                    "UpdatedAt": work.updated,
                    "Duration": _nanoseconds(part.seconds),
                    "HasResultSet": part.columns is not None,
                    "ResultRows": _result_rows(part),
                    "Error": part.error or None,
                }
                for number, part in enumerate(work.parts, 1)
            ]
        }

    def get_statement_result(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """A page of an answer."""
        work, part = self._find(params["Id"])
        if part is None:
            raise AwsError("ValidationException", "Id of a batch: say which statement's result, as <id>:<number>")
        if work.status != "FINISHED" or part.columns is None:
            raise AwsError(
                "ResourceNotFoundException", "Query does not have result. Please check query status with DescribeStatement."
            )
        start = int(params.get("NextToken") or 0)
        page = part.rows[start : start + PAGE_ROWS]
        more = start + PAGE_ROWS < len(part.rows)
        return {
            "ColumnMetadata": [{"name": n, "label": n, "typeName": t, "nullable": 1} for n, t in part.columns],
            "Records": [[_field(value, type_) for value, (_, type_) in zip(row, part.columns, strict=True)] for row in page],
            "TotalNumRows": len(part.rows),
            "NextToken": str(start + PAGE_ROWS) if more else None,
        }

    def cancel_statement(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Stop what runs."""
        work, _ = self._find(params["Id"])
        if work.status not in RUNNING:
            raise AwsError("ValidationException", f"Could not cancel a query that is already in {work.status} state.")
        self._database.cancel(work)
        return {"Status": True}

    def list_statements(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """What was submitted, the newest first."""
        with self._lock:
            works = sorted(self._works.values(), key=lambda w: w.created, reverse=True)
        wanted, prefix = params.get("Status", "ALL"), params.get("StatementName", "")
        works = [w for w in works if wanted in ("ALL", w.status) and w.request.get("StatementName", "").startswith(prefix)]
        start, size = int(params.get("NextToken") or 0), params.get("MaxResults") or 100
        listed = [
            {
                "Id": w.id,
                "Status": w.status,
                "StatementName": w.request.get("StatementName"),
                "CreatedAt": w.created,
                "UpdatedAt": w.updated,
                "IsBatchStatement": w.batch,
                "QueryString": None if w.batch else w.parts[0].sql,
                "QueryStrings": [p.sql for p in w.parts] if w.batch else None,
                "QueryParameters": w.request.get("Parameters"),
            }
            for w in works[start : start + size]
        ]
        return {"Statements": listed, "NextToken": str(start + size) if start + size < len(works) else None}

    # -- carrying out ----------------------------------------------------------------------------------------------

    def _submit(self, request: dict[str, Any], sqls: list[str], *, batch: bool) -> dict[str, Any]:
        _check_place(request)
        _check_statements(request, sqls)
        with self._lock:
            token = request.get("ClientToken")
            known = next((w for w in self._works.values() if token and w.request.get("ClientToken") == token), None)
            if known and known.request != request:
                raise AwsError("ValidationException", f"ClientToken {token} was used with other parameters")
            work = known or Work(request, [Part(sql) for sql in sqls], batch)
            if not known:
                self._works[work.id] = work
                work.thread = threading.Thread(target=self._database.run, args=[work], name=f"redshift {work.id}", daemon=True)
                work.thread.start()
        place: dict[str, Any] = {
            n: request[n] for n in ("Database", "WorkgroupName", "ClusterIdentifier", "SecretArn") if n in request
        }
        return {"Id": work.id, "CreatedAt": work.created, **place}

    def _find(self, statement_id: str) -> tuple[Work, Part | None]:
        base, _, number = statement_id.partition(":")
        with self._lock:
            work = self._works.get(base)
        if work is None or (number and int(number) > len(work.parts)):
            raise AwsError("ResourceNotFoundException", "Query does not exist.")
        return work, work.parts[int(number) - 1] if number else None if work.batch else work.parts[0]


def _check_place(request: dict[str, Any]) -> None:
    named = [request[n] for n in ("WorkgroupName", "ClusterIdentifier") if n in request]
    if len(named) != 1 or "Database" not in request:
        raise AwsError("ValidationException", "Give Database and either WorkgroupName or ClusterIdentifier")
    if named[0] not in NAMES:
        raise AwsError("ValidationException", "Redshift endpoint doesn't exist in this region.")


def _check_statements(request: dict[str, Any], sqls: list[str]) -> None:
    if len(sqls) > 40:
        raise AwsError("ValidationException", "Cannot exceed 40 statements in a batch")
    if any(len(sql.encode()) > STATEMENT_BYTES for sql in sqls):
        raise AwsError("ValidationException", "Query statement size exceeds the limit of 100 KB")
    given = {p["name"] for p in request.get("Parameters", ())}
    used = {name for sql in sqls if verb(sql) in ("SELECT", "WITH", "INSERT", "DELETE", "UPDATE") for name in placeholders(sql)}
    if given - used:
        raise AwsError(
            "ValidationException", f"Parameters list contains unused parameters. Unused parameters: {sorted(given - used)}"
        )
    if used - given:
        raise AwsError("ValidationException", f"Parameters list does not contain: {sorted(used - given)}")


def _result_rows(part: Part) -> int:
    return len(part.rows) if part.columns is not None else part.affected


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def _field(value: bytes | None, type_: str) -> dict[str, Any]:
    """One value as the Data API gives it."""
    if value is None:
        return {"isNull": True}
    text = value.decode()
    if type_ in ("int2", "int4", "int8"):
        return {"longValue": int(text)}
    if type_ in ("float4", "float8"):
        return {"doubleValue": float(text)}
    if type_ == "bool":
        return {"booleanValue": text == "t"}
    return {"stringValue": text}
