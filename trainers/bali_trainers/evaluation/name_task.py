"""Withheld synonyms to be linked to concepts: the question, before any model answers it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from bali_platform.errors import BaliError
from bali_platform.graph.names import is_withheld, name_key

__all__ = ["NameTask", "build_name_task"]


@dataclass(frozen=True)
class NameTask:
    """Queries that training never saw, and the dictionary in which to look them up.

    Attributes:
        cuis: The concepts.
        names: The dictionary: every name that training may see, once.
        bearers: (concept, name) index pairs, ascending.
        queries: Withheld synonyms, one spelling each.
        gold: Indices of the concepts that a query is a synonym of.
    """

    cuis: tuple[str, ...]
    names: tuple[str, ...]
    bearers: tuple[tuple[int, int], ...]
    queries: tuple[str, ...]
    gold: tuple[tuple[int, ...], ...]


def build_name_task(
    concepts: Iterable[tuple[str, Sequence[str]]], *, withheld: float, limit: int | None = None
) -> NameTask:
    """Split the names of ``(cui, names best first)`` into dictionary and queries.

    A withheld synonym that some concept shows under another spelling of case or space is no query:
    it can be read off the dictionary. ``limit`` keeps that many queries, chosen by hash.
    """
    cuis: list[str] = []
    rows: dict[str, int] = {}
    bearers: set[tuple[int, int]] = set()
    secret: dict[str, tuple[str, set[int]]] = {}
    for concept, (cui, names) in enumerate(concepts):
        cuis.append(cui)
        for place, name in enumerate(names):
            if place and is_withheld(name, withheld):
                secret.setdefault(name_key(name), (name, set()))[1].add(concept)
            else:
                bearers.add((concept, rows.setdefault(name, len(rows))))
    shown = {name_key(name) for name in rows}
    queries = sorted((key for key in secret if key not in shown), key=_shuffled)[:limit]
    if not queries:
        raise BaliError(
            f"no synonym of this graph is withheld at a fraction of {withheld}: nothing to evaluate"
        )
    return NameTask(
        cuis=tuple(cuis),
        names=tuple(rows),
        bearers=tuple(sorted(bearers)),
        queries=tuple(secret[key][0] for key in queries),
        gold=tuple(tuple(sorted(secret[key][1])) for key in queries),
    )


def _shuffled(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=8, salt=b"queries").digest()
