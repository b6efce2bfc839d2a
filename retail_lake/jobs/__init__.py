"""The program that an engine runs, and the documents it takes and gives.

Belongs here: everything between a job description and its report. Does not: Dagster, catalogs, control planes.
"""
