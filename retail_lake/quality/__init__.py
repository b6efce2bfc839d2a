"""What a table's rules mean: which rows break them, what is measured of a day, and the verdict.

Belongs here: everything between a contract's rules and a day's verdicts. Does not: running SQL (`jobs/`), rendering it for
an engine (`sql/`), or what a failed verdict leads to (`jobs/`, `orchestration/`).
"""
