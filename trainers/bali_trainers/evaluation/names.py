"""Withheld synonyms, linked to concepts by their nearest name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.graph.names import is_withheld, name_key
from bali_trainers.evaluation.encoders import open_encoder
from bali_trainers.evaluation.metrics import Clusters, rank_metrics
from bali_trainers.evaluation.ranking import RULE, Bearers, rank_concepts
from bali_trainers.evaluation.report import Scored, Task
from bali_trainers.inference.embedding import PLAIN, Setup


@dataclass(frozen=True)
class NameTable:
    """A dictionary: names, and the concepts that bear them.

    Attributes:
        cuis: The concepts, in order.
        names: Every name, once.
        bearers: [P, 3] concept, name and the name's place among the concept's, ascending.
    """

    cuis: tuple[str, ...]
    names: tuple[str, ...]
    bearers: NDArray[np.int64]

    def by_vector(self, row: NDArray[np.int64]) -> Bearers:
        """Return the bearers of vectors, given the vector of each name, [N]."""
        concept, name, place = self.bearers.T
        size = np.bincount(concept)
        order = np.lexsort((place, row[name], concept))
        concept, vector, place = concept[order], row[name][order], place[order]
        new = (np.diff(concept, prepend=-1) != 0) | (np.diff(vector, prepend=-1) != 0)
        return Bearers(concept[new], vector[new], place[new], size)


@dataclass(frozen=True)
class NameTask(Task):
    """Queries that training never saw, and the dictionary in which to look them up.

    Attributes:
        table: The dictionary.
        queries: Withheld synonyms, one spelling each.
        gold: Indices of the concepts that a query is a synonym of.
        withheld: The fraction of synonyms that training withheld.
    """

    name = "names"
    table: NameTable
    queries: tuple[str, ...]
    gold: tuple[tuple[int, ...], ...]
    withheld: float

    @property
    def title(self) -> str:
        """What is asked."""
        return f"{len(self.queries):,} withheld synonyms among {len(self.table.names):,} names"

    @property
    def clusters(self) -> Clusters:
        """Every query is on its own."""
        return np.arange(len(self.queries))

    @property
    def facts(self) -> dict[str, Any]:
        """How many there are, and how they are ranked."""
        return {
            "withheld": self.withheld,
            "concepts": len(self.table.cuis),
            "names": len(self.table.names),
            "queries": len(self.queries),
            "rule": RULE,
        }


def build_name_task(
    concepts: Iterable[tuple[str, Sequence[str]]], *, withheld: float, limit: int | None = None
) -> NameTask:
    """Split the names of ``(cui, names best first)`` into dictionary and queries.

    A withheld synonym that some concept shows under another spelling of case or space is no query:
    it can be read off the dictionary. ``limit`` keeps that many queries, chosen by hash.
    """
    cuis: list[str] = []
    rows: dict[str, int] = {}
    bearers: list[tuple[int, int, int]] = []
    secret: dict[str, tuple[str, set[int]]] = {}
    for concept, (cui, names) in enumerate(concepts):
        cuis.append(cui)
        for place, name in enumerate(names):
            if place and is_withheld(name, withheld):
                secret.setdefault(name_key(name), (name, set()))[1].add(concept)
            else:
                bearers.append((concept, rows.setdefault(name, len(rows)), place))
    shown = {name_key(name) for name in rows}
    queries = sorted((key for key in secret if key not in shown), key=_shuffled)[:limit]
    if not queries:
        raise BaliError(
            f"no synonym of this graph is withheld at a fraction of {withheld}: nothing to evaluate"
        )
    return NameTask(
        table=NameTable(tuple(cuis), tuple(rows), np.array(bearers, dtype=np.int64)),
        queries=tuple(secret[key][0] for key in queries),
        gold=tuple(tuple(sorted(secret[key][1])) for key in queries),
        withheld=withheld,
    )


def evaluate_names(model: str, task: NameTask, setup: Setup = PLAIN) -> list[Scored]:
    """Link every query to the concept with the nearest name, by cosine, over all names."""
    encoder = open_encoder(model, setup)
    names, queries = encoder.encode_both(task.table.names, task.queries)
    with setup.reporter.step("rank concepts"):
        ranks = rank_concepts(
            queries.vectors[queries.row],
            names.vectors,
            task.table.by_vector(names.row),
            [np.array(gold) for gold in task.gold],
            encoder.device,
        )
    return [Scored(model=model, scores=rank_metrics(ranks))]


def _shuffled(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=8, salt=b"queries").digest()
