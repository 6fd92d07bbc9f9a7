"""What a trained linker answers to the mentions of a corpus, beside what models answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bali_trainers.evaluation import MentionTask, Scored
from bali_trainers.linker.candidates import Candidates, Mentions
from bali_trainers.linker.knowledge import Knowledge
from bali_trainers.linker.model import LearnedLinker, Links
from bali_trainers.linker.training import are_right

PRECISION = 0.9


def evaluate_linker(
    name: str,
    linker: LearnedLinker,
    knowledge: Knowledge,
    mentions: Mentions,
    pairs: Candidates,
    task: MentionTask,
) -> list[Scored]:
    """Return the outcome in each convention, among candidates that linkers on one model share.

    A right concept that is no candidate has no rank: it counts as 0. ``notes`` tell how often a
    right one is a candidate, and what share of mentions is answered where the least sure answers
    are left out until nine in ten of the rest are right.
    """
    outcomes = []
    for convention, links in linker.link(knowledge, mentions, pairs).items():
        rank = _ranks(links, are_right(links.pairs, task.gold))
        scores = {
            "acc@1": (rank == 1).astype(float),
            "acc@5": (rank <= 5).astype(float),
            "mrr": np.where(np.isfinite(rank), 1 / rank, 0.0),
        }
        notes = {
            "edges": linker.facts.edges,
            "among the candidates": float(np.isfinite(rank).mean()),
            f"answered at precision {PRECISION}": _answered(links.chance, rank == 1),
        }
        outcomes.append(Scored(model=name, view=convention, notes=notes, scores=scores))
    return outcomes


def over_seeds(answers: Sequence[Sequence[Scored]]) -> list[Scored]:
    """Join what linkers answer that differ in their seed alone: one outcome a convention.

    It goes by the name of the first. Shares among ``notes`` are means over the seeds.
    """
    if len(answers) == 1:
        return list(answers[0])
    return [
        Scored(
            model=f"{same[0].model} and {len(same) - 1} more seeds",
            view=same[0].view,
            notes=same[0].notes
            | {
                name: float(np.mean([each.notes[name] for each in same]))
                for name, value in same[0].notes.items()
                if isinstance(value, float)
            },
            scores={
                name: np.stack([each.scores[name] for each in same]) for name in same[0].scores
            },
        )
        for same in zip(*answers, strict=True)
    ]


def _ranks(links: Links, right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the rank of the first right candidate of each mention, infinite without any."""
    found = np.full(len(links.chance), np.inf)
    place = np.arange(len(links.order)) - links.pairs.first[links.pairs.mention]
    hit = right[links.order]
    np.minimum.at(found, links.pairs.mention[hit], place[hit] + 1.0)
    return found


def _answered(chance: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the greatest share of mentions of which, the surest first, enough are right."""
    order = np.argsort(-chance, kind="stable")
    levels = np.flatnonzero(np.diff(chance[order], append=-1))
    precision = np.cumsum(right[order])[levels] / (levels + 1)
    return float((levels[precision >= PRECISION] + 1).max(initial=0) / len(right))
