"""Dagster's log messages, of runs and sensors, as the lake's JSON lines: a repair of Dagster 1.13.27, which cannot be told.

Belongs here: that repair, and which fields of Dagster's a line has. Does not: the format (`retail_lake/logs.py`).

Webserver and daemon have an option of their own (`--log-format json`), which `retail-lake ui` gives them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from retail_lake.logs import JsonLines, configure, json_handler

if TYPE_CHECKING:
    from retail_lake.config import Settings


def use(settings: Settings) -> None:
    """Let this process log as the settings say, Dagster included."""
    configure(settings)
    if settings.log_format != "json":
        return
    import dagster._core.definitions.instigation_logger as of_sensors
    import dagster._loggers as of_runs

    for module in (of_runs, of_sensors):
        module.create_console_logger = _json_logger  # type: ignore[attr-defined]


def _json_logger(name: str, level: str | int) -> logging.Logger:
    logger = logging.Logger(name, level)
    logger.addHandler(json_handler(_DagsterLines()))
    return logger


class _DagsterLines(JsonLines):
    """Dagster's records: the message alone, and in fields what Dagster puts before it."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        known: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
        event = known.get("dagster_event")
        fields: dict[str, Any] = {"run": known.get("run_id"), "job": known.get("job_name")}
        if event is not None:
            checked = event.asset_check_evaluation_data if event.event_type_value == "ASSET_CHECK_EVALUATION" else None
            key, day = (checked.asset_key, checked.partition) if checked else (event.asset_key, event.partition)
            fields |= {"event": event.event_type_value, "table": key and ".".join(key.path), "day": day}
        message = str(known.get("orig_message") or record.getMessage())
        return self.line(record, message, {name: value for name, value in fields.items() if value})
