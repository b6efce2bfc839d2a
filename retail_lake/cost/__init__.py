"""What remote jobs use of AWS and what that costs: units, list prices, a ledger in the lake, and budgets.

Belongs here: money. Does not: asking a service what a job used (`engines/`). No Dagster, no Iceberg: one JSON object an
attempt, so that an attempt that failed is on record too.
"""
