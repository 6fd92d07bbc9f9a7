"""Link prediction: the other end of an edge that training never saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from bali_trainers.evaluation.concepts import concept_vectors
from bali_trainers.evaluation.edge_task import EdgeTask
from bali_trainers.evaluation.metrics import Values
from bali_trainers.evaluation.report import Scored
from bali_trainers.inference.embedding import PLAIN, Setup, unit_rows
from bali_trainers.inference.precision import scores_at_once, settle_device, whole_products

_SHRINKAGE = 10
_TIE = 1e-6

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]


def evaluate_links(model: str, task: EdgeTask, setup: Setup = PLAIN) -> list[Scored]:
    """Look for both ends of every asked edge among all concepts, in each view of the model.

    Scores are [2 Q]: tails are asked first, then heads.
    """
    outcomes, device = [], settle_device(setup.device)
    for view, vectors in concept_vectors(model, task, setup).items():
        with setup.reporter.step(f"rank concepts, {view}"):
            scores = link_metrics(edge_ranks(task, vectors, device))
        outcomes.append(Scored(model=model, view=view, scores=scores))
    return outcomes


def link_metrics(ranks: Values) -> dict[str, Values]:
    """Return each query's share of each metric from its rank, from 1, [Q]."""
    hits = {f"hits@{k}": (ranks <= k).astype(float) for k in (1, 3, 10)}
    return {"mrr": 1 / ranks, **hits}


def filtered_ranks(
    queries: Vectors,
    candidates: Vectors,
    wanted: Indices,
    others: Sequence[Indices],
    device: str = "cpu",
) -> Values:
    """Return the rank of the wanted candidate for each query by dot product, from 1, [Q].

    Candidates in ``others`` do not take part. Half of those equally near (within 1e-6) are ahead:
    the mean rank over all orders of them. Products are computed on the device.
    """
    columns = torch.from_numpy(candidates).to(device).T
    at_once = max(1, scores_at_once(device) // len(candidates))
    parts = []
    for first in range(0, len(queries), at_once):
        some = slice(first, first + at_once)
        with whole_products(columns.device.type):
            scores = torch.from_numpy(queries[some]).to(device) @ columns
        want = torch.from_numpy(wanted[some]).to(device)[:, None]
        own = scores.gather(1, want)
        row = np.repeat(np.arange(len(scores)), [len(out) for out in others[some]])
        out = torch.from_numpy(np.stack([row, np.concatenate(others[some])])).to(device)
        scores[out[0], out[1]] = -torch.inf
        scores.scatter_(1, want, -torch.inf)
        ahead = (scores > own + _TIE).sum(1)
        level = ((scores - own).abs() <= _TIE).sum(1)
        parts.append((1 + ahead + level.double() / 2).cpu().numpy())
    return np.concatenate(parts)


def relation_offsets(vectors: Vectors, known: Indices, relations: int) -> Vectors:
    """Return the vector of each relation, ``[R, d]``, see ``LINK_RULE`` of edge tasks."""
    head, relation, tail = known.T
    sums = np.zeros((relations, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, relation, vectors[tail] - vectors[head])
    counts = np.bincount(relation, minlength=relations) + _SHRINKAGE
    offsets: Vectors = (sums / counts[:, None]).astype(np.float32)
    return offsets


def edge_ranks(task: EdgeTask, vectors: Vectors, device: str = "cpu") -> Values:
    """Return the rank of the end of each question for unit vectors ``[C, d]``, from 1, [2 Q]."""
    offsets = relation_offsets(vectors, task.known, len(task.relations))
    head, relation, tail = task.asked.T
    tails, heads = _right_answers(task)
    return np.concatenate(
        [
            filtered_ranks(
                unit_rows(vectors[head] + offsets[relation]),
                vectors,
                tail,
                [np.array([h, *tails[h, r]]) for h, r, _ in task.asked.tolist()],
                device,
            ),
            filtered_ranks(
                unit_rows(vectors[tail] - offsets[relation]),
                vectors,
                head,
                [np.array([t, *heads[r, t]]) for _, r, t in task.asked.tolist()],
                device,
            ),
        ]
    )


def _right_answers(
    task: EdgeTask,
) -> tuple[dict[tuple[int, int], list[int]], dict[tuple[int, int], list[int]]]:
    """Return all tails of each (head, type), and all heads of each (type, tail)."""
    tails: dict[tuple[int, int], list[int]] = defaultdict(list)
    heads: dict[tuple[int, int], list[int]] = defaultdict(list)
    for head, relation, tail in np.concatenate([task.known, task.secret]).tolist():
        tails[head, relation].append(tail)
        heads[relation, tail].append(head)
    return tails, heads
