"""Errors that a person can act on: one clear line, and an exit code."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable

NO_ROOM = 4
"""The exit code of a program that found no room on a disk: later, or elsewhere, it may work."""

_FULL = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)]


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


def no_room(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, says that a disk or a quota is full.

    The words tell, for libraries that are not written in Python have no numbers for their errors.
    """
    while error is not None:
        if any(words in str(error) for words in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def exit_code(error: BaseException) -> int:
    """Return the exit code of a program that ends with an error."""
    if no_room(error):
        return NO_ROOM
    return error.exit_code if isinstance(error, BaliError) else 1


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known word, else an empty string.

    ``prefix`` is put before the word that is shown.

    >>> did_you_mean("bacth_size", ["batch_size", "seed"])
    " (did you mean 'batch_size'?)"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{prefix}{close[0]}'?)" if close else ""
