"""Where lake tables live: catalog, pinned reads, planning, publishing, maintenance.

Belongs here: everything that knows Iceberg. Does not: what a table is (`tables/`) or how a job runs (`jobs/`, `engines/`).
"""
