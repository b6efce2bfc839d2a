"""What can go wrong, in four kinds, each with its own consequence.

Belongs here: the taxonomy every room raises and every retry layer and message honours.
"""

from __future__ import annotations


class Failure(Exception):
    """A failure with a message that a person can act on. The subclass says what may be done about it."""


class TransientFailure(Failure):
    """Worth another try by itself: a conflict, throttling, a lost connection."""


class DataFailure(Failure):
    """The data is not what the contract says. A retry gives the same; a person or a corrected file has to act."""


class ConfigurationFailure(Failure):
    """A setting, a contract or an environment is wrong. Shown as one message without a stack trace, never retried."""


KINDS: dict[str, type[Failure]] = {"transient": TransientFailure, "data": DataFailure, "configuration": ConfigurationFailure}
"""The kinds by the word that reports use."""
