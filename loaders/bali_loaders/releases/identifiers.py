"""Stable made-up identifiers: the same thing keeps its number from one build to the next."""

from __future__ import annotations

from hashlib import blake2b

from bali_platform.base.errors import BaliError


class Numbering:
    """Numbers things by a hash of their key, within ``first`` to ``first + size - 1``.

    Keys whose hashes collide get neighbouring numbers in the order in which they are asked for, so
    ask in an order that does not change.

    >>> number = Numbering("C", digits=7, first=8_000_000, size=1_000_000)
    >>> number("MONDO", "MONDO:0000001"), number("MONDO", "MONDO:0000001")
    ('C8557389', 'C8557389')
    """

    def __init__(self, prefix: str, *, digits: int, first: int = 0, size: int = 0) -> None:
        self._prefix, self._digits, self._first = prefix, digits, first
        self._size = size or 10**digits - first
        self._known: dict[tuple[str, ...], str] = {}
        self._taken: set[int] = set()

    def __call__(self, *key: str) -> str:
        """Return the identifier of ``key``."""
        if (found := self._known.get(key)) is None:
            found = self._known[key] = f"{self._prefix}{self._free(key):0{self._digits}}"
        return found

    def _free(self, key: tuple[str, ...]) -> int:
        if len(self._taken) == self._size:
            raise BaliError(f"no identifier starting with {self._prefix} is left")
        digest = blake2b("|".join(key).encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "big") % self._size
        while number in self._taken:
            number = (number + 1) % self._size
        self._taken.add(number)
        return self._first + number
