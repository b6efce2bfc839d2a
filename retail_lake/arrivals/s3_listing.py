"""The landing on S3 as S3 lists it, with the ETags by which what is listed and what was announced are known to be one.

Belongs here: that listing. Does not: what is listed when (`listing.py`), or any other place: `storage.py` lists all kinds alike,
but the file systems it goes by do not tell an ETag.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from retail_lake.aws import client, refusals, split_uri
from retail_lake.config import Settings
from retail_lake.storage import Stored


class OnS3:
    """A lister of folders below `settings.landing_uri`."""

    def __init__(self, settings: Settings) -> None:
        self._uri = settings.landing_uri
        self._bucket, self._prefix = split_uri(settings.landing_uri)
        self._pages = client("s3", settings).get_paginator("list_objects_v2")

    def below(self, folder: str) -> list[Stored]:
        """Every file below a folder."""
        start = self._start(folder)
        return [stored for page in self._listed(start) for stored in _files(page, start)]

    def level(self, folder: str) -> tuple[list[Stored], list[str]]:
        """The files right in a folder, and the names of the folders there."""
        start = self._start(folder)
        pages = list(self._listed(start, Delimiter="/"))
        names = {each["Prefix"][len(start) : -1] for page in pages for each in page.get("CommonPrefixes", [])}
        return [stored for page in pages for stored in _files(page, start)], sorted(names - {""})

    def _start(self, folder: str) -> str:
        return "".join(f"{part}/" for part in (self._prefix, folder) if part)

    def _listed(self, start: str, **more: str) -> Iterator[Any]:
        with refusals(f"The landing {self._uri}"):
            yield from self._pages.paginate(Bucket=self._bucket, Prefix=start, **more)


def _files(page: Any, start: str) -> Iterator[Stored]:
    """What one page lists, but for the empty objects that consoles make to stand for folders."""
    for each in page.get("Contents", []):
        if not each["Key"].endswith("/"):
            written = each["LastModified"].astimezone(UTC).replace(tzinfo=None)
            yield Stored(each["Key"][len(start) :], each["Size"], written, each["ETag"].strip('"'))
