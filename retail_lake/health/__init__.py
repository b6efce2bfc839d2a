"""How the lake is: every table's days at a glance, what is late, rows and costs, as a report to look at.

Belongs here: finding that out and drawing it. Does not: telling anybody (`alerts/`), or Dagster (`orchestration/health.py`).
"""
