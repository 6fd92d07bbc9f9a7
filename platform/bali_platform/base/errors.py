"""Errors that a person can act on: one clear line, and an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BaliError(Exception):
    """Something failed for a reason the user can act on.

    The message is one line: what went wrong, where, and what to do about it.
    """

    exit_code = 1


class UsageError(BaliError):
    """The request itself cannot be carried out as written (an option, a key, a path)."""

    exit_code = 2


class NotFoundError(BaliError):
    """What was asked for is not there."""


class AmbiguousError(UsageError):
    """What was asked for may be several things; the message lists them."""


class TooLargeError(UsageError):
    """The answer would be too large; the message says how large."""


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known word, else an empty string.

    ``prefix`` is put before the word that is shown.

    >>> did_you_mean("bacth_size", ["batch_size", "seed"])
    " (did you mean 'batch_size'?)"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{prefix}{close[0]}'?)" if close else ""
