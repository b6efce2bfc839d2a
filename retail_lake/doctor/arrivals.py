"""How arrivals are announced: the queue is there, leaves what nobody can read to another, and the bucket tells it.

Belongs here: what is asked of the queue and of the bucket's notifications. Does not: how they should be set, which
`deploy/notifications.py` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from retail_lake.config import PREFIX, Settings
from retail_lake.doctor.check import Check, Doubt


def checks(settings: Settings, after: str) -> Iterator[Check]:
    """What there is to look at; nothing where landing is listed."""
    if settings.arrival_queue:
        absent = (
            f"{PREFIX}ARRIVAL_QUEUE={settings.arrival_queue}: there is no such queue; correct the variable, or run "
            "`retail-lake deploy --arrivals`, which makes it"
        )
        yield Check("arrival queue", partial(_queue, settings), "sqs", after, absent)
        yield Check("arrivals announced", partial(_announced, settings), "s3", "arrival queue")


def _queue(settings: Settings) -> str:
    from retail_lake.arrivals.queue import standing

    found = standing(settings)
    assert found is not None
    variable = f"{PREFIX}ARRIVAL_QUEUE={settings.arrival_queue}"
    if found.dead_letters is None:
        raise Doubt(f"{variable} keeps what cannot be read for ever in its way: run `retail-lake deploy --arrivals`")
    if found.dead_letters:
        raise Doubt(
            f"{variable} has {found.dead_letters:,} dead letters: read them, then redrive or delete them in the SQS console"
        )
    return f"{found.waiting:,} announcements wait, {found.in_flight:,} are being taken in, no dead letters"


def _announced(settings: Settings) -> str:
    from retail_lake.deploy.notifications import announced

    if not announced(settings):
        raise Doubt(
            f"the bucket of {settings.landing_uri} does not announce what arrives to {settings.arrival_queue}: run"
            " `retail-lake deploy --arrivals`"
        )
    return f"{settings.landing_uri} announces what arrives"
