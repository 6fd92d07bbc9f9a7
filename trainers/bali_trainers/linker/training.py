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
from bali_trainers.linker.ranker import learn_weights

HABITS = frozenset({"seen", "of this text", "remembered"})
"""Features that tell what a corpus prefers rather than what a text says."""

_SET_APART = 10
_SHARES = np.linspace(0, 1, 101)


def train_linker(
    knowledge: Knowledge,
    mentions: Mentions,
    gold: Sequence[tuple[int, ...]],
    facts: LinkerFacts,
    reporter: Reporter = QUIET,
) -> LearnedLinker:
    """Learn from mentions and the concepts of each, any of which is right.

    Every tenth document is set apart, to learn how sure answers are.
    """
    memory = remember(mentions, gold)
    with reporter.step("find candidates"):
        pairs = find_candidates(knowledge, mentions)
    with reporter.step("compare candidates"):
        found = describe(knowledge, memory, mentions, pairs, facts, own=True)
    right = are_right(pairs, gold)
    apart = mentions.document % _SET_APART == facts.seed % _SET_APART
    scorers: dict[Convention, Scorer] = {}
    for convention in CONVENTIONS:
        names = [name for name in found if convention == "own" or name not in HABITS]
        with reporter.step(f"weigh features, {convention}"):
            scorers[convention] = _learn(found, names, pairs, right, apart)
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
    names: Sequence[str],
    pairs: Candidates,
    right: NDArray[np.bool_],
    apart: NDArray[np.bool_],
) -> Scorer:
    shown = right & ~apart[pairs.mention]
    weights = learn_weights(found, names, pairs, shown)
    links = Scorer(weights, _SHARES)(found, pairs)
    best = links.order[pairs.first]
    asked = apart if apart.any() else np.ones_like(apart)
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    fitted.fit(links.scores[best[asked]], right[best[asked]])
    return Scorer(weights, fitted.predict(_SHARES).astype(np.float64))
