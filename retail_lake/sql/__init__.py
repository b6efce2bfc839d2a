"""Portable Spark SQL: parsed, checked, traced and rendered for each engine, with one meaning on all of them.

Belongs here: everything about the text of a transformation. Does not: running it (`jobs/`, `engines/`), or knowing where
its inputs are (`lake/`). What may be written is in `portable`, the macros are in `macros`; DuckDB is imported by `binder` alone.
"""

from retail_lake.sql.parse import inputs, relation_name
from retail_lake.sql.portable import check, check_sql
from retail_lake.sql.render import render

__all__ = ["check", "check_sql", "inputs", "relation_name", "render"]
