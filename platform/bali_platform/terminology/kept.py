"""What was read about a graph and does not change, kept so that it is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """At most so many values by key. When it is full it starts anew; many threads may ask."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[K, V] = {}

    def get(self, keys: Iterable[K], read: Callable[[list[K]], Mapping[K, V]]) -> dict[K, V]:
        """Return the values of keys, those that are not kept as ``read`` returns them."""
        held, wanted = self._held, dict.fromkeys(keys)
        found = {key: held[key] for key in wanted if key in held}
        if missing := [key for key in wanted if key not in found]:
            new = read(missing)
            self._keep(new)
            found.update(new)
        return found

    def _keep(self, new: Mapping[K, V]) -> None:
        if len(new) > self._most:
            return
        if len(self._held) + len(new) > self._most:
            self._held = {}  # a new one: others may be reading the old one
        self._held.update(new)
