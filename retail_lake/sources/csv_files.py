"""CSV files as tills write them: a header, quoted where needed, an empty field for NULL, a last line that counts the lines.

Options: `trailer` starts the last line (`#lines=` for `#lines=120`); without it, a file cut at the end of a line cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retail_lake.contract import Column
from retail_lake.sources.delimited import read_delimited
from retail_lake.sources.records import Records, header_matches

OPTIONS = frozenset({"trailer"})
TYPED = False


def read(data: bytes, columns: Sequence[Column], options: Mapping[str, Any]) -> Records:
    """Read one file whose header is exactly the contract's columns. Positions are line numbers. Raises `UnreadableFile`."""
    wanted = [column.name for column in columns]

    def match(found: Sequence[str]) -> Sequence[str]:
        header_matches(found, wanted)
        return wanted

    return read_delimited(data, match, null="", trailer=options.get("trailer", ""))
