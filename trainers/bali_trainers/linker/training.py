"""Training of a linker on the mentions of linked corpora."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.linker.candidates import Candidates, Mentions, find_candidates
from bali_trainers.linker.features import Features
from bali_trainers.linker.knowledge import Knowledge
from bali_trainers.linker.memory import Memory, hash_keys
from bali_trainers.linker.model import (
    CONVENTIONS,
    Convention,
    LearnedLinker,
    LinkerFacts,
    Scorer,
    describe,
)
from bali_trainers.linker.trees import grow

HABITS = frozenset(
    {
        *("names", "names, behind", "group", "place", "bearers"),
        *("seen", "text seen", "of this text", "of this text, behind"),
        *("remembered", "remembered, behind"),
    }
)
"""Features that tell what a corpus prefers rather than what a text says."""

_SET_APART = 10
_SURE_ENOUGH = np.linspace(-8, 8, 161)


def train_linker(
    knowledge: Knowledge,
    mentions: Mentions,
    gold: Sequence[tuple[int, ...]],
    facts: LinkerFacts,
    *,
    rounds: int = 150,
    reporter: Reporter = QUIET,
) -> LearnedLinker:
    """Learn from mentions and the concepts of each, any of which is right.

    Every tenth document is set apart, to learn how sure answers are.
    """
    memory = remember(mentions, gold)
    with reporter.step("find candidates"):
        pairs = find_candidates(knowledge, mentions)
    with reporter.step("compare candidates"):
        found = describe(knowledge, memory, mentions, pairs, graph=facts.graph, own=True)
    right = are_right(pairs, gold)
    apart = mentions.document % _SET_APART == _SET_APART - 1
    scorers: dict[Convention, Scorer] = {}
    for convention in CONVENTIONS:
        with reporter.step(f"grow trees, {convention}"):
            scorers[convention] = _learn(
                found, pairs, right, apart, convention, seed=facts.seed, rounds=rounds
            )
    return LearnedLinker(facts, scorers, memory)


def remember(mentions: Mentions, gold: Sequence[tuple[int, ...]]) -> Memory:
    """Return the memory of mentions by the first of their concepts."""
    concept = np.array([own[0] for own in gold], dtype=np.int64)
    order = np.argsort(concept, kind="stable")
    return Memory(
        concept[order],
        hash_keys(mentions.names)[order],
        mentions.document[order],
        mentions.in_context[order].astype(np.float16),
    )


def are_right(pairs: Candidates, gold: Sequence[tuple[int, ...]]) -> NDArray[np.bool_]:
    """Tell of each candidate whether its mention means it, [P]."""
    mention = np.repeat(np.arange(len(gold)), [len(own) for own in gold])
    wanted = np.stack([mention, np.concatenate([np.array(own) for own in gold])], axis=1)
    most = 1 + max(int(wanted[:, 1].max()), int(pairs.concept.max()))
    return np.isin(pairs.mention * most + pairs.concept, wanted[:, 0] * most + wanted[:, 1])


def _learn(
    found: Features,
    pairs: Candidates,
    right: NDArray[np.bool_],
    apart: NDArray[np.bool_],
    convention: Convention,
    *,
    seed: int,
    rounds: int,
) -> Scorer:
    names = [name for name in found if convention == "own" or name not in HABITS]
    shown = ~apart[pairs.mention]
    columns = np.stack([found[name][shown] for name in names], axis=1)
    trees = grow(columns, right[shown], names, seed=seed, rounds=rounds)
    unsure = Scorer(trees, _SURE_ENOUGH, np.zeros(len(_SURE_ENOUGH)))
    links = unsure(found, pairs)
    best = links.order[pairs.first]
    asked = apart if apart.any() else np.ones_like(apart)
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    fitted.fit(links.scores[best[asked]], right[best[asked]])
    return Scorer(trees, _SURE_ENOUGH, fitted.predict(_SURE_ENOUGH).astype(np.float64))
