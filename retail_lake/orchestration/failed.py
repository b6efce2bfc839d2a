"""How a run fails: the kind of its failure is a tag on the run before the run is over.

Belongs here: that tag, and which failure Dagster is given. Does not: the kinds (`retail_lake/failure.py`), what is done about a
failed run (`second_chance.py`, `alerts.py`).

`retail-lake/failure` is transient, data, configuration or bug: the gravest of what went wrong. A failed run without it died.
`retail-lake/again` stands on a run of which some part is worth another try by itself: where one table met a transient failure
beside a blocked day of another, running again builds the one and leaves the other, which is refused, alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg

from retail_lake.failure import BUG, TRANSIENT, Failure, gravest, kind_of
from retail_lake.orchestration.run import KIND

FAILURE_TAG: Final = "retail-lake/failure"
AGAIN_TAG: Final = "retail-lake/again"


class BadDays(Failure):
    """Some days are not what they should be, for reasons of these `kinds`; the rest is done."""

    def __init__(self, said: str, kinds: Iterable[str]) -> None:
        super().__init__(said)
        self.kinds = frozenset(kinds)


@contextmanager
def marked(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Whatever fails the block is put on the run first; what was foreseen fails it with its message and no stack trace."""
    try:
        yield
    except BadDays as error:
        _mark(context, error.kinds)
        raise _without_stack(str(error), gravest(error.kinds)) from None
    except Failure as error:
        _mark(context, [kind_of(error)])
        raise _without_stack(str(error), kind_of(error)) from None
    except Exception as error:
        _mark(context, [kind_of(error)])
        raise


def _mark(context: dg.AssetExecutionContext, kinds: Iterable[str]) -> None:
    found = {*kinds}
    tags = {FAILURE_TAG: gravest(found)}
    if TRANSIENT in found and BUG not in found:
        tags[AGAIN_TAG] = "true"
    try:
        context.instance.add_run_tags(context.run.run_id, tags)
    except Exception as error:
        # On a full disk not even this can be written. The failure itself must still be heard.
        context.log.warning(f"The run could not be tagged {tags}: {error}")


def _without_stack(said: str, kind: str) -> dg.Failure:
    return dg.Failure(said, metadata={KIND: kind}, allow_retries=kind == TRANSIENT)
