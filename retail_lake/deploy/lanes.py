"""The two sets of runtimes that the job program is proven on, and the images they run in.

Belongs here: versions that AWS gives together. Does not: what the job program itself needs (`requirements.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from retail_lake.config import Settings


@dataclass(frozen=True)
class Lane:
    """Runtimes of one Spark. `glue_python` is Glue's own; `pythons` are those this Spark runs with where the artifact
    brings its Python (EMR)."""

    name: str
    glue_version: str
    glue_python: str
    emr_release: str
    pythons: tuple[str, ...]


# GlueVersion is always given: the default of the service moves.
LANES: Final[Mapping[str, Lane]] = {
    lane.name: lane
    for lane in (
        Lane("spark-4.1", "6.0", "3.13", "emr-spark-8.1.0", ("3.11", "3.12", "3.13")),
        Lane("spark-3.5", "5.1", "3.11", "emr-7.13.0", ("3.11",)),
    )
}
GLIBC: Final = (2, 34)
"""The C library of Amazon Linux 2023, which Glue's and EMR's images are made from."""
LAMBDA_PYTHON: Final = "3.13"
"""Lambda runs no Spark, so no lane binds it; its images of Python before 3.12 have a C library too old for the wheels."""


def lane_of(settings: Settings) -> Lane:
    """The lane that the settings name."""
    return LANES[settings.lane]
