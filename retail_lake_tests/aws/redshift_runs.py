"""The database behind this Redshift: what was submitted runs on a real PostgreSQL, each submission as one transaction.

Belongs here: transactions, their states, the faults of statements, errors in Redshift's words. Does not: the Data API
(`redshift.py`), the dialect (`redshift_sql.py`), COPY (`redshift_copy.py`). As in Redshift by default, a transaction sees one
snapshot, taken after its first LOCK; a conflict of two writers is error 1023.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import errors

from retail_lake_tests.aws.postgres import Postgres
from retail_lake_tests.aws.redshift_copy import copy
from retail_lake_tests.aws.redshift_sql import Refused, tables_of, translated, verb

DATABASE = "dev"
RUNNING = ("SUBMITTED", "PICKED", "STARTED")
SERIALIZATION = (
    "ERROR: 1023\n  DETAIL: Serializable isolation violation on table - 108263, "
    "transactions forming the cycle are: 5182, 5184 (pid:1073)"
)
_SETUP = """
CREATE DOMAIN super AS jsonb;
CREATE FUNCTION pg_last_copy_count() RETURNS bigint VOLATILE LANGUAGE sql
    AS $$ SELECT coalesce(nullif(current_setting('redshift.copied', true), ''), '0')::bigint $$;
"""
_TYPES = {
    16: "bool", 19: "name", 20: "int8", 21: "int2", 23: "int4", 25: "varchar", 700: "float4", 701: "float8", 1043: "varchar",
    1082: "date", 1114: "timestamp", 1700: "numeric", 3802: "super",
}  # fmt: skip


@dataclass
class Fault:
    """What happens before the `at`-th statement of a submission, instead of or before it; after the last: before the commit.

    `error` ends the transaction with that text. `cut` loses the connection to the database. `hold` stops there until
    `released` is set; `reached` says that it is there.
    """

    at: int = 1
    error: str = ""
    cut: bool = False
    hold: bool = False
    times: int = 1
    where: Callable[[Sequence[str]], bool] = lambda sqls: len(sqls) > 1
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


@dataclass
class Part:
    """One statement of a submission."""

    sql: str
    status: str = "SUBMITTED"
    error: str = ""
    seconds: float = 0.0
    columns: list[tuple[str, str]] | None = None
    rows: list[list[bytes | None]] = field(default_factory=list)
    affected: int = -1


@dataclass
class Work:
    """What was submitted. `connection` is there while it runs."""

    request: dict[str, Any]
    parts: list[Part]
    batch: bool
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "SUBMITTED"
    error: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: datetime | None = None
    connection: psycopg.Connection[Any] | None = None
    cancelled: bool = False
    thread: threading.Thread | None = None

    @property
    def parameters(self) -> dict[str, str]:
        return {p["name"]: p["value"] for p in self.request.get("Parameters", ())}


class Database:
    """One server, started on first use, with one database. `s3` is a client, for COPY."""

    def __init__(self, s3: Callable[[], Any]) -> None:
        self._s3, self._lock = s3, threading.RLock()
        self._postgres: Postgres | None = None
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> Fault:
        """Have that happen; it comes back."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def run(self, work: Work) -> None:
        """A transaction from beginning to end. Nothing of it is left when it does not get there."""
        part = work.parts[0]
        try:
            work.status, work.started = "PICKED", datetime.now(UTC)
            with self.connect(work.request["Database"]) as connection:
                work.connection = connection
                work.status = "STARTED"
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                for number, part in enumerate(work.parts, 1):
                    self._happen(work, number, connection)
                    began = datetime.now(UTC)
                    part.status = "STARTED"
                    self._statement(connection, part, work.parameters)
                    part.status, part.seconds = "FINISHED", (datetime.now(UTC) - began).total_seconds()
                self._happen(work, len(work.parts) + 1, connection)
                connection.execute("COMMIT")
            work.status = "FINISHED"
        except Exception as error:
            said = _said(error, part.sql)
            ended = "ABORTED" if work.cancelled else "FAILED"
            for other in work.parts:
                other.status = "ABORTED" if other.status in ("SUBMITTED", "STARTED") else other.status
            part.status, part.error = ended, said
            work.error = f"Query #{work.parts.index(part) + 1} failed with {said}" if work.batch else said
            work.status = ended
        finally:
            work.connection, work.updated = None, datetime.now(UTC)

    def _happen(self, work: Work, number: int, connection: psycopg.Connection[Any]) -> None:
        """The fault that was ordered for this moment."""
        with self._lock:
            sqls = [p.sql for p in work.parts]
            due = next((f for f in self._faults if f.times > 0 and f.at == number and f.where(sqls)), None)
            if due:
                due.times -= 1
        if due:
            due.reached.set()
            if due.hold:
                due.released.wait(60)
            if due.cut:
                connection.close()
            if due.error:
                raise Refused(due.error.removeprefix("ERROR: "))
        if work.cancelled:
            raise Refused("Query cancelled on user's request")

    def _statement(self, connection: psycopg.Connection[Any], part: Part, parameters: dict[str, str]) -> None:
        if verb(part.sql) == "COPY":
            connection.execute("SELECT set_config('redshift.copied', '0', false)")
            part.affected = copy(connection, self._s3(), part.sql)
            connection.execute(f"SELECT set_config('redshift.copied', '{part.affected}', false)")
            return
        statement = translated(part.sql, parameters)
        if verb(part.sql) == "TRUNCATE":
            # It commits what came before it, and itself.
            connection.execute("COMMIT")
            connection.execute(statement)
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            return
        cursor = connection.execute(statement)
        result = cursor.pgresult
        part.affected = cursor.rowcount
        if cursor.description and result:
            part.columns = [(c.name, _TYPES.get(c.type_code, f"oid {c.type_code}")) for c in cursor.description]
            part.rows = [[result.get_value(r, c) for c in range(result.nfields)] for r in range(result.ntuples)]

    def cancel(self, work: Work) -> None:
        """Stop it, wherever it is; what holds it is released."""
        work.cancelled = True
        with self._lock:
            for fault in self._faults:
                fault.released.set()
        if connection := work.connection:
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=5)

    def wipe(self) -> None:
        """Forget faults and drop everything."""
        with self._lock:
            self._faults.clear()
        if self._postgres:
            with self.connect() as connection:
                schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|public$|information_schema$)'"
                for (schema,) in connection.execute(schemas).fetchall():
                    connection.execute(f'DROP SCHEMA "{schema}" CASCADE')

    def close(self) -> None:
        """Stop the server."""
        if self._postgres:
            self._postgres.close()

    def connect(self, database: str = DATABASE) -> psycopg.Connection[Any]:
        """A connection of its own to the database, started now if it is not there yet."""
        return self.server().connect(database)

    def server(self) -> Postgres:
        """The server, started now if it is not there yet."""
        with self._lock:
            if self._postgres is None:
                server = Postgres()
                with server.connect("postgres") as connection:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
                with server.connect(DATABASE) as connection:
                    connection.execute(_SETUP)
                self._postgres = server
            return self._postgres


def _said(error: Exception, sql: str) -> str:
    """An error as Redshift words it."""
    if isinstance(error, errors.SerializationFailure):
        return SERIALIZATION
    if isinstance(error, errors.DivisionByZero):
        if not tables_of(sql):
            return "ERROR: division by zero"
        rule = "-" * 47
        return (
            f"ERROR: Divide by zero\n  Detail: \n  {rule}\n  error:  Divide by zero\n  code:      1018\n  context:   \n  {rule}"
        )
    if isinstance(error, errors.QueryCanceled):
        return "ERROR: Query cancelled on user's request"
    if isinstance(error, psycopg.Error):
        return f"ERROR: {error.diag.message_primary or error}"
    return f"ERROR: {error}"
