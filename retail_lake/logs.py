"""Log messages as one JSON object a line, with the run, table, days and engine that they are about.

Belongs here: the format, and what a message is about. Does not: Dagster's own messages (`orchestration/json_console.py`).

Code logs by Python's `logging` as ever, and says with `about` what the block is about; whoever works in threads says it in each.
With the setting `log_format=text` nothing is changed.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from retail_lake.config import Settings

ROOT: Final = "retail_lake"
_ABOUT: ContextVar[Mapping[str, Any] | None] = ContextVar("about", default=None)


@contextmanager
def about(*, run: str = "", table: str = "", days: Sequence[date] = (), engine: str = "") -> Iterator[None]:
    """Messages of the block, in this thread, are about these; what is not given stays as it is outside."""
    said: dict[str, Any] = {"run": run, "table": table, "engine": engine}
    if days:
        said |= {"first_day": min(days).isoformat(), "last_day": max(days).isoformat(), "days": len(days)}
    token = _ABOUT.set({**(_ABOUT.get() or {}), **{name: value for name, value in said.items() if value}})
    try:
        yield
    finally:
        _ABOUT.reset(token)


class JsonLines(logging.Formatter):
    """A log record as one line of JSON. Times are UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        return self.line(record, record.getMessage(), {})

    def line(self, record: logging.LogRecord, message: str, more: Mapping[str, Any]) -> str:
        """The line of a record, with this message and more fields."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            **more,
            **(_ABOUT.get() or {}),
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str, ensure_ascii=False)


def json_handler(formatter: JsonLines | None = None) -> logging.Handler:
    """A handler that writes lines of JSON to standard error, whatever that is at the time."""
    handler = _StandardError()
    handler.setFormatter(formatter or JsonLines())
    return handler


def configure(settings: Settings) -> None:
    """Let this process log as the settings say. Doing it again changes nothing."""
    logger = logging.getLogger(ROOT)
    ours = [handler for handler in logger.handlers if isinstance(handler, _StandardError)]
    if settings.log_format == "json" and not ours:
        logger.addHandler(json_handler())
        logger.setLevel(logging.INFO)
    elif settings.log_format != "json" and ours:
        for handler in ours:
            logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


class _StandardError(logging.StreamHandler[Any]):
    """Standard error as it is when a message comes: Dagster and tests put another in its place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """Where it writes."""
        return sys.stderr
