"""Alerts: what is wrong now, told once to whoever it concerns, and told again when it is well.

Belongs here: what an alert is, which are open, where notices go. Does not: asking Dagster about its runs (`orchestration/`).
"""
