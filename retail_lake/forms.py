"""What the value of a setting must look like, as far as that can be told without asking anybody.

Belongs here: forms, as wide as what the services take, each with how to write it right. Does not: the settings, or whether what
they name is there (`doctor/`).
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
from collections.abc import Set
from functools import cache
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

GLUE_CATALOG: Final = re.compile(r"glue(?:://(\d{12}))?/?")
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])(?:(i)?B)?\s*", re.IGNORECASE)
_LEAST: Final = 32_000_000
_POWERS: Final = {"K": 1, "M": 2, "G": 3, "T": 4}
_CLUSTER: Final = re.compile(r"j-\w+|(?!j-)[^=]+=.*")
_SECRET: Final = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+")
_KMS_KEY: Final = re.compile(
    r"(mrk-)?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}|alias/.+|arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/.+"
)


def size(text: str) -> float:
    """The bytes that a text such as `800MB` or `1.5GiB` means to DuckDB, which needs 32 MB. Raises `ValueError` for any other."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("it is no size: write it as 800MB or 4GB")
    meant = float(found[1]) * float(1024 if found[3] else 1000) ** _POWERS[found[2].upper()]
    if meant < _LEAST:
        raise ValueError("it is less than DuckDB can work with: write it as 800MB or 4GB")
    return meant


def known_region(name: str) -> str:
    """That region, if it is among those that botocore was delivered with. Raises `ValueError` if not."""
    known = _regions()
    if known and name not in known:
        raise ValueError(f"{name!r} is no AWS region{_near(name, known)}; for one that is newer than boto3 here, upgrade it")
    return name


@cache
def _regions() -> frozenset[str]:
    # Its file is read without botocore, which takes longer to import than all that a command does with the settings.
    found = importlib.util.find_spec("botocore")
    file = Path(found.origin or "").with_name("data") / "partitions.json" if found else Path()
    partitions = json.loads(file.read_bytes())["partitions"] if file.is_file() else ()
    return frozenset(region for partition in partitions for region in partition["regions"])


def _time_zone(name: str) -> str:
    # What is no path below the database of zones is an error of yet another kind.
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"it is no IANA time zone{_near(name, available_timezones())}; write it as America/New_York") from None
    return name


def _near(name: str, known: Set[str]) -> str:
    hit = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {hit[0]}?)" if hit else ""


def _size(text: str) -> str:
    size(text)
    return text


def _catalog(uri: str) -> str:
    if uri and ("://" not in uri or uri.startswith("glue")) and not GLUE_CATALOG.fullmatch(uri):
        # An address that is nearly one may have a password in it.
        what = "it" if "@" in uri else repr(uri)
        raise ValueError(
            f"{what} is no catalog; give `glue`, glue://<12-digit account>, http(s)://… (a REST catalog) or an SQLAlchemy "
            "address such as sqlite:////path/catalog.db"
        )
    return uri


def _like(form: re.Pattern[str], hint: str) -> AfterValidator:
    """Nothing, or a text of that form; `hint` says how it is written."""

    def check(value: str) -> str:
        if value and not form.fullmatch(value):
            raise ValueError(hint)
        return value

    return AfterValidator(check)


TimeZone = Annotated[str, AfterValidator(_time_zone)]
Size = Annotated[str, AfterValidator(_size)]
Catalog = Annotated[str, AfterValidator(_catalog)]
Cluster = Annotated[str, _like(_CLUSTER, "it is neither a cluster's id (j-…) nor a tag of it: write a tag as key=value")]
Secret = Annotated[
    str, _like(_SECRET, "it is no secret's ARN: write it as arn:aws:secretsmanager:<region>:<account>:secret:<name>")
]
KmsKey = Annotated[str, _like(_KMS_KEY, "it is no KMS key: give the key's id or ARN, or its alias as alias/<name>")]
