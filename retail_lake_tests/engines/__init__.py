"""Engines: what runs a job, started for real."""
