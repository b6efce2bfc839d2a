"""What can go wrong, in four kinds, each with its own consequence.

Belongs here: the taxonomy every room raises and every retry layer and message honours.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import Final


class Failure(Exception):
    """A failure with a message that a person can act on. The subclass says what may be done about it."""


class TransientFailure(Failure):
    """Worth another try by itself: a conflict, throttling, a lost connection."""


class DataFailure(Failure):
    """The data is not what the contract says. A retry gives the same; a person or a corrected file has to act."""


class ConfigurationFailure(Failure):
    """A setting, a contract or an environment is wrong. Shown as one message without a stack trace, never retried."""


class Misfit(ConfigurationFailure):
    """A stored table cannot take what its contract says."""


KINDS: dict[str, type[Failure]] = {"transient": TransientFailure, "data": DataFailure, "configuration": ConfigurationFailure}
"""The kinds by the word that reports use."""
BUG: Final = "bug"
"""The fourth kind: whatever nobody foresaw. Its stack trace is kept, and it is never retried."""
TRANSIENT: Final = "transient"
_GRAVITY: Final = (*KINDS, BUG)
_PASSING: Final = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EIO, errno.ENETDOWN, errno.ENETUNREACH,
        errno.EHOSTUNREACH,
    }
)  # fmt: skip
"""What the machine cannot do now and may be able to later: a full disk is made room on, a network comes back."""
_SAID: Final = ("No space left on device", "database or disk is full", "disk I/O error", "database is locked")
"""How the databases say it, which have errors of their own. Locked is a file that others write to for longer than one waits."""
_NO_ANSWER: Final = frozenset(
    {
        "psycopg.OperationalError",
        "psycopg2.OperationalError",
        "pyiceberg.exceptions.ServiceUnavailableError",
        "pyiceberg.exceptions.TooManyRequestsError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
    }
)
"""What clients of a catalog raise when its server does not answer, by name: none of them is imported for this."""


def kind_of(error: BaseException) -> str:
    """The word for an error: the kind of failure that it is, transient for a fault of the machine, else a bug."""
    known = next((word for word, of in KINDS.items() if isinstance(error, of)), BUG)
    return TRANSIENT if known == BUG and of_the_machine(error) else known


def refuse_together(checks: Iterable[Callable[[], None]]) -> None:
    """Do all of these checks. Raises one `ConfigurationFailure` of everything that they refuse, a `Misfit` if nothing else."""
    refused: list[ConfigurationFailure] = []
    for check in checks:
        try:
            check()
        except ConfigurationFailure as failure:
            refused.append(failure)
    if refused:
        of = Misfit if all(isinstance(failure, Misfit) for failure in refused) else ConfigurationFailure
        raise of("\n".join(str(failure) for failure in refused))


def of_the_machine(error: BaseException) -> bool:
    """Whether the machine or the network failed, and not the program: a full disk, a connection cut, a server gone."""
    if isinstance(error, (ConnectionError, TimeoutError)) or (isinstance(error, OSError) and error.errno in _PASSING):
        return True
    if any(f"{of.__module__}.{of.__qualname__}" in _NO_ANSWER for of in type(error).__mro__):
        return True
    driver = _of_driver(error)
    if driver is not None and of_the_machine(driver):
        return True
    return any(said in str(error) for said in _SAID)


def words(error: BaseException) -> str:
    """What an error says, without what SQLAlchemy adds to a driver's: the statement, its parameters and a link."""
    return str(_of_driver(error) or error).strip()


def _of_driver(error: BaseException) -> BaseException | None:
    driver = getattr(error, "orig", None)
    return driver if isinstance(driver, BaseException) else None


def gravest(kinds: Iterable[str]) -> str:
    """The kind that decides, of several; empty if there are none. A retry settles only what is all transient."""
    return max(kinds, key=_GRAVITY.index, default="")
