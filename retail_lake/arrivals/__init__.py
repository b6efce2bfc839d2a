"""What comes to landing, and when a day may start: told by S3's events through a queue, or found by listing.

Belongs here: reading announcements, the book of what was seen, and which tables' days are due. Does not: what is input to a day
(`sources/landing.py`), or asking Dagster for a run (`orchestration/arrivals.py`).
"""
