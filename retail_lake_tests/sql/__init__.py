"""Tests of `retail_lake.sql`."""
