"""Relation probing: how two concepts are related, told from their vectors."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_trainers.evaluation.classification import (
    ClassificationTask,
    Classified,
    Example,
    document_folds,
    probe_classes,
)
from bali_trainers.evaluation.concepts import concept_vectors
from bali_trainers.evaluation.edge_task import EdgeTask
from bali_trainers.inference.embedding import PLAIN, Setup

UNRELATED = "none"
_FOLDS = 5
_SMALLEST_CLASS = 20
_SEED = 20_253


@dataclass(frozen=True)
class PairTask:
    """Pairs of concepts whose relation training never saw, and as many that are not related.

    Attributes:
        edges: Where they are from.
        classes: The pairs as examples; those of one head are in one fold.
        head: [N] first concept of each pair.
        tail: [N] the second.
    """

    edges: EdgeTask
    classes: ClassificationTask
    head: NDArray[np.int64]
    tail: NDArray[np.int64]


def build_pair_task(edges: EdgeTask) -> PairTask:
    """Make examples of the asked edges, and of pairs without an edge.

    A type of fewer than 20 examples is left out, and so is a pair with several edges. Unrelated
    pairs take heads and tails of the related ones, and so cannot be told by either end alone.
    """
    related = _single(edges)
    counts = Counter(relation for _, relation, _ in related)
    related = [fact for fact in related if counts[fact[1]] >= _SMALLEST_CLASS]
    if not related:
        raise BaliError(
            f"no relation type has {_SMALLEST_CLASS} pairs among {len(edges.asked)} withheld "
            "edges: raise the number of queries, or the fraction withheld"
        )
    rows = [(head, tail, edges.relations[relation]) for head, relation, tail in related]
    rows += [(head, tail, UNRELATED) for head, tail in _unrelated(edges, related)]
    examples = tuple(
        Example((edges.names[head], edges.names[tail]), (), label, edges.cuis[head])
        for head, tail, label in rows
    )
    ends = np.array([(head, tail) for head, tail, _ in rows], dtype=np.int64)
    task = ClassificationTask(
        "pairs",
        "relations of concept pairs",
        examples,
        document_folds(examples, _FOLDS),
        negative=UNRELATED,
    )
    return PairTask(edges, task, ends[:, 0], ends[:, 1])


def evaluate_pairs(model: str, task: PairTask, setup: Setup = PLAIN) -> list[Classified]:
    """Fit probes on the vectors of both concepts and their product, in each view of the model."""
    outcomes = []
    for view, vectors in concept_vectors(model, task.edges, setup).items():
        head, tail = vectors[task.head], vectors[task.tail]
        features = np.concatenate([head, tail, head * tail], axis=1)
        outcomes.append(probe_classes(model, task.classes, features, setup.reporter, view=view))
    return outcomes


def _single(edges: EdgeTask) -> list[tuple[int, int, int]]:
    """Return the asked edges whose ends have no other one, in either direction."""
    every: dict[frozenset[int], int] = defaultdict(int)
    for head, _, tail in edges.secret.tolist():
        every[frozenset((head, tail))] += 1
    return [
        (head, relation, tail)
        for head, relation, tail in edges.asked.tolist()
        if every[frozenset((head, tail))] == 1
    ]


def _unrelated(edges: EdgeTask, related: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    known = {
        frozenset(pair) for pair in np.concatenate([edges.known, edges.secret])[:, [0, 2]].tolist()
    }
    order = np.random.Generator(np.random.Philox(_SEED)).permutation(len(related))
    mixed = {
        (related[one][0], related[other][2]): None
        for one, other in enumerate(order.tolist())
        if related[one][0] != related[other][2]
    }
    return [pair for pair in mixed if frozenset(pair) not in known]
