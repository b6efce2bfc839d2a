"""Faults that a test orders, each happening so many times and then no more.

Belongs here: what can be ordered and whether it is due. Does not: how a fault is made to happen (`server.py` for requests,
`jobs.py` for running jobs, `s3_front.py` for S3).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class JobFault(StrEnum):
    """What can happen to a job that was accepted."""

    CAPACITY = "capacity"
    """The service finds no room for it: it ends as failed without having started."""
    FAILS = "fails"
    """Its program raises an error at once: a failed state, the error in reason and log, and nothing reported."""
    OUT_OF_MEMORY = "out of memory"
    """The driver is killed as the kernel does when memory runs out."""
    HANGS = "hangs"
    """It stands still: running for the service, doing nothing, until it is cancelled or `Job.resume` is called."""
    DRIVER_LOST = "driver lost"
    """The driver is killed without a word; the service calls the job failed."""
    SILENT = "silent"
    """The program ends with status 0 having done nothing: the service calls it a success."""
    SILENT_AFTER = "silent after"
    """The driver is killed, and yet the service calls the job a success."""


@dataclass
class Order:
    """A fault that was ordered and how often it is still due. `happened` counts."""

    service: str
    operation: str
    times: int
    where: Callable[[Mapping[str, Any]], bool] | None = None
    after: int = 0
    error: str = ""
    message: str = ""
    status: int = 400
    lost_answer: bool = False
    cut_upload: bool = False
    delay: float = 0
    job: JobFault | None = None
    when: Callable[[], bool] | None = None
    happened: int = 0


class Faults:
    """The orders of a test: `order` for requests, `order_job` for what happens to jobs that were accepted."""

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._lock = threading.Lock()

    def order(
        self,
        service: str,
        operation: str,
        *,
        error: str = "",
        message: str = "",
        status: int = 400,
        lost_answer: bool = False,
        cut_upload: bool = False,
        delay: float = 0,
        times: int = 1,
        after: int = 0,
        where: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> Order:
        """Order a fault of the next `times` requests whose parameters satisfy `where`, after `after` of them went well.

        `operation` may be a pattern (`*Object`). One of: `error` refuses with that code, message and HTTP status;
        `lost_answer` carries the operation out and drops the connection instead of answering; `cut_upload` (S3 through its
        front) breaks off in the middle of the body; `delay` answers that many seconds late.
        """
        return self._add(
            Order(
                service,
                operation,
                times,
                where,
                after,
                error=error,
                message=message,
                status=status,
                lost_answer=lost_answer,
                cut_upload=cut_upload,
                delay=delay,
            )
        )

    def order_job(
        self,
        service: str,
        fault: JobFault | str,
        *,
        times: int = 1,
        when: Callable[[], bool] | None = None,
        where: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> Order:
        """Order what happens to the next `times` jobs of `service` (`glue`, `emr-serverless`, `emr`, `lambda`).

        `where` sees the parameters of the submission. A program that runs does so undisturbed until `when()` is true, if that
        is given: it is asked again and again, so that a fault can follow on what the job has done by then.
        """
        return self._add(Order(service, "", times, where, job=JobFault(fault), when=when))

    def _add(self, order: Order) -> Order:
        with self._lock:
            self._orders.append(order)
        return order

    def due(self, service: str, operation: str, params: Mapping[str, Any]) -> Order | None:
        """The fault of this request, if one is due: it has then happened."""
        return self._take(lambda o: o.job is None and o.service == service and fnmatchcase(operation, o.operation), params)

    def due_job(self, service: str, params: Mapping[str, Any]) -> Order | None:
        """The fault of this job, if one is due: it has then happened."""
        return self._take(lambda o: o.job is not None and o.service == service, params)

    def _take(self, fits: Callable[[Order], bool], params: Mapping[str, Any]) -> Order | None:
        with self._lock:
            for order in self._orders:
                if not fits(order) or order.happened >= order.times or (order.where and not order.where(params)):
                    continue
                if order.after > 0:
                    order.after -= 1
                    continue
                order.happened += 1
                return order
        return None

    def pending(self) -> list[Order]:
        """The orders that have not happened as often as ordered."""
        with self._lock:
            return [order for order in self._orders if order.happened < order.times]

    def clear(self) -> None:
        """Forget all orders."""
        with self._lock:
            self._orders.clear()
