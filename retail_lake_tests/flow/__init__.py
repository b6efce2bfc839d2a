"""What users rely on, on the real demo data: served, built and published without Dagster."""
