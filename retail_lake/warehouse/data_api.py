"""Redshift over its Data API: statements go as requests, so there is neither a driver nor an open port.

Belongs here: submitting, waiting, cancelling, reading answers. Does not: what the statements say.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from retail_lake.aws import client, refusals
from retail_lake.config import Settings
from retail_lake.failure import ConfigurationFailure, TransientFailure
from retail_lake.warehouse.redshift_errors import BY_ZERO, failure_of
from retail_lake.warehouse.redshift_types import value

STATEMENTS: Final = 40
"""How many statements one transaction may have."""
STATEMENT_BYTES: Final = 100_000
_FIRST_PAUSE: Final = 0.1


@dataclass(frozen=True)
class Statement:
    """One SQL statement. With `refuses` it is an assertion: where it does not hold it divides by zero, and means that failure."""

    sql: str
    refuses: Exception | None = None


def asserted(condition: str, source: str, refuses: Exception) -> Statement:
    """A statement that errors unless the condition holds, and thereby takes its whole transaction back.

    The divisor is an expression over rows or the session, so that no planner computes it beforehand.
    """
    return Statement(f"SELECT 1 / CASE WHEN {condition} THEN 1 ELSE 0 END{source}", refuses)


@dataclass(frozen=True)
class Rows:
    """An answer: the columns' names and types (`int8`, `varchar`, …) and the rows, as Python values."""

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Ended:
    """What was submitted and has succeeded. `seconds` is what Redshift says it ran."""

    id: str
    seconds: float
    statements: int


class DataApi:
    """One database, through the workgroup or cluster of the settings.

    `name` tells Redshift's console and lists who asks: it stands in a comment of every statement too. `connection`
    is a client that others use as well.
    """

    def __init__(self, settings: Settings, name: str = "retail-lake", connection: Any = None) -> None:
        self.settings, self.name, self._connection = settings, name, connection

    @cached_property
    def _client(self) -> Any:
        return self._connection or client("redshift-data", self.settings)

    @property
    def _place(self) -> dict[str, str]:
        settings = self.settings
        place = {"Database": settings.redshift_database}
        if settings.redshift_workgroup:
            place["WorkgroupName"] = settings.redshift_workgroup
        else:
            place["ClusterIdentifier"] = settings.redshift_cluster
        return place | ({"SecretArn": settings.redshift_secret} if settings.redshift_secret else {})

    def query(self, sql: str, parameters: Mapping[str, str] | None = None) -> Rows:
        """Run one statement and read all of its answer. `:name` in it stands for a parameter. Raises a `Failure`."""
        request = {"Sql": self._commented(sql), **self._common(parameters)}
        with refusals("asking Redshift"):
            submitted = self._client.execute_statement(**request)["Id"]
        self._wait(submitted, [Statement(sql)])
        return self.rows(submitted)

    def transaction(self, statements: Sequence[Statement], parameters: Mapping[str, str] | None = None) -> Ended:
        """Run statements as one transaction: all of them, or, if any fails or this is interrupted, none.

        Raises what an assertion refuses by, else a `Failure` by what Redshift says. An interruption cancels.
        """
        texts = [self._commented(s.sql) for s in statements]
        if len(texts) > STATEMENTS or any(len(t.encode()) > STATEMENT_BYTES for t in texts):
            raise ConfigurationFailure(
                f"{self.name}: Redshift takes {STATEMENTS} statements of {STATEMENT_BYTES:,} bytes in a transaction; these are "
                f"{len(texts)} of up to {max(len(t.encode()) for t in texts):,}. Load fewer days at a time."
            )
        request = {"Sqls": texts, **self._common(parameters)}
        with refusals("writing to Redshift"):
            submitted = self._client.batch_execute_statement(**request)["Id"]
        return self._wait(submitted, statements)

    def rows(self, statement_id: str) -> Rows:
        """The answer of a statement; of the n-th one of a transaction, when the id ends in `:n` (from 1)."""
        columns: tuple[tuple[str, str], ...] = ()
        rows: list[tuple[Any, ...]] = []
        for page in self._pages(statement_id):
            columns = tuple((c.get("label") or c["name"], c["typeName"]) for c in page["ColumnMetadata"])
            for record in page["Records"]:
                rows.append(tuple(value(field, type_) for field, (_, type_) in zip(record, columns, strict=True)))
        return Rows(columns, rows)

    def _pages(self, statement_id: str) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            with refusals("reading an answer of Redshift"):
                page = self._client.get_statement_result(Id=statement_id, **token)
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def _common(self, parameters: Mapping[str, str] | None) -> dict[str, Any]:
        # The token makes a request that the client repeats, because the answer was lost, the same one.
        common: dict[str, Any] = {**self._place, "StatementName": self.name[:500], "ClientToken": str(uuid.uuid4())}
        if parameters:
            common["Parameters"] = [{"name": name, "value": given} for name, given in parameters.items()]
        return common

    def _commented(self, sql: str) -> str:
        # A colon could be taken for a parameter, and a star could end the comment.
        return f"/* {self.name.replace(':', ' ').replace('*', ' ')} */ {sql}"

    def _wait(self, submitted: str, statements: Sequence[Statement]) -> Ended:
        """Poll with backoff until it ends. Whatever interrupts the waiting cancels what is waited for."""
        pause, until = min(_FIRST_PAUSE, self.settings.poll_seconds), time.monotonic() + self.settings.job_timeout
        with self._cancelled_on_error(submitted):
            while True:
                with refusals("waiting for Redshift"):
                    found = self._client.describe_statement(Id=submitted)
                if found["Status"] in ("FINISHED", "FAILED", "ABORTED"):
                    break
                if time.monotonic() > until:
                    raise TransientFailure(
                        f"{self.name}: Redshift did not end within {self.settings.job_timeout} s and was told to stop "
                        "(RETAIL_LAKE_JOB_TIMEOUT). Perhaps it waits for another transaction's lock."
                    )
                time.sleep(pause * random.uniform(0.8, 1.2))
                pause = min(pause * 1.5, self.settings.poll_seconds)
        if found["Status"] == "FINISHED":
            return Ended(submitted, found.get("Duration", 0) / 1e9, len(statements))
        if found["Status"] == "ABORTED":
            raise TransientFailure(f"{self.name}: the statement {submitted} was cancelled in Redshift")
        raise self._meaning(found, statements)

    def _meaning(self, found: Mapping[str, Any], statements: Sequence[Statement]) -> Exception:
        """Why it failed: what the first failed statement asserts, or what Redshift says."""
        parts = found.get("SubStatements") or [found]
        failed: Mapping[str, Any] = next((p for p in parts if p.get("Status") == "FAILED"), {})
        said = str(failed.get("Error") or found.get("Error") or "no reason given")
        statement = statements[parts.index(failed)] if failed else Statement("")
        if statement.refuses and BY_ZERO.search(said):
            return statement.refuses
        return failure_of(said, f"{self.name}: Redshift refused `{' '.join(statement.sql.split())[:200]}`")

    @contextmanager
    def _cancelled_on_error(self, submitted: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            # If it cannot be cancelled it ends by itself, and a repeat of the load waits for it.
            with suppress(Exception):
                self._client.cancel_statement(Id=submitted)
            raise
