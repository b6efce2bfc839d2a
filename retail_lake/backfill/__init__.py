"""Backfills: which days of which tables are to be built, in which runs, and what that will take.

Belongs here: deciding and estimating, without Dagster. Does not: running (`orchestration/run.py`), telling people
(`cli/backfill.py`).
"""
