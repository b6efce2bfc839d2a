"""Which places of a call share a process and an undisturbed run."""

from __future__ import annotations

from retail_lake_tests.faults import cloud
from retail_lake_tests.faults.places import PLACES, parts


def test_places_are_held_against_a_lake_of_the_tables_that_they_build() -> None:
    divided = parts([*PLACES], [])
    assert [part.places for part in divided] == [("local", "s3", "daemon"), ("aws",), ("daemon-aws",)]
    assert [part.tables for part in divided] == [(), cloud.TABLES, ()]


def test_a_small_disk_and_aws_are_never_in_one_process() -> None:
    assert [(part.places, part.on_aws) for part in parts(["local", "aws"], cloud.TABLES)] == [
        (("local",), False),
        (("aws",), True),
    ]


def test_sensors_build_everything_whatever_is_asked_for() -> None:
    divided = {part.places: part.tables for part in parts(["local", "s3", "daemon"], ["gold.dim_date"])}
    assert divided == {("local", "s3"): ("gold.dim_date",), ("daemon",): ()}
