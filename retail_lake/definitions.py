"""The one thing Dagster loads."""

from retail_lake.orchestration import build_definitions

defs = build_definitions()
