"""A trained linker: scores candidates, says how sure it is, and is kept as a folder of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.numpy import load_file, save_file

from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_folder
from bali_trainers.linker.candidates import Candidates, Mentions, find_candidates
from bali_trainers.linker.features import (
    Features,
    coherence,
    graph_features,
    text_features,
    vocabulary_feature,
)
from bali_trainers.linker.knowledge import Knowledge
from bali_trainers.linker.memory import Memory
from bali_trainers.linker.ranker import Weights, score, share

Convention = Literal["own", "general"]
"""``own``: what mentions of the training corpora meant is remembered; ``general``: it is not."""

Edges = Literal["real", "shuffled", "none"]
"""Which edges of the graph a linker looks at; those of other concepts (shuffled) are a control."""

CONVENTIONS: tuple[Convention, ...] = ("own", "general")
_SAME = 1e-6
_SHARPNESS = 20.0


class LinkerFacts(BaseModel):
    """What a linker's folder says of it, besides its arrays.

    Attributes:
        model: The language model below it.
        digest: Of that model's weights.
        graph_version: The graph that it was trained on.
        corpora: Names and digests of what it was trained on.
        edges: Which it looks at.
        seed: Of the training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    model: str
    digest: str
    graph_version: str
    corpora: tuple[str, ...]
    edges: Edges
    seed: int

    @property
    def reads_edges(self) -> bool:
        """Whether it looks at any."""
        return self.edges != "none"


class _Saved(BaseModel):
    """The file ``linker.json``: facts, what features count, remembered concepts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: LinkerFacts
    weights: dict[Convention, Weights]
    cuis: tuple[str, ...]


@dataclass(frozen=True)
class Links:
    """What a linker answers about M mentions.

    Attributes:
        pairs: The P candidates.
        scores: [P] chance of each among those of its mention.
        order: [P] pairs by mention, the likeliest first.
        chance: [M] how often answers like the likeliest one are right; the rest is the chance
            that none of these is meant, or another.
    """

    pairs: Candidates
    scores: NDArray[np.float64]
    order: NDArray[np.int64]
    chance: NDArray[np.float64]

    @property
    def best(self) -> NDArray[np.int64]:
        """[M] the likeliest concept of each mention."""
        return self.pairs.concept[self.order[self.pairs.first]]


@dataclass(frozen=True)
class Scorer:
    """What features count in one convention, and how often the likeliest candidates are right.

    Attributes:
        weights: They score candidates.
        chance: [K] how often answers were right whose share of the odds was 0 to 1, in even steps.
    """

    weights: Weights
    chance: NDArray[np.float64]

    def __call__(self, features: Features, pairs: Candidates) -> Links:
        """Order candidates, and say how sure that is."""
        odds = score(self.weights, features)
        scores, level = share(odds, pairs), np.round(odds / _SAME)
        order = np.lexsort(
            (pairs.concept, features["place"], -features["names"], -level, pairs.mention)
        )
        steps = np.linspace(0, 1, len(self.chance))
        return Links(
            pairs, scores, order, np.interp(scores[order[pairs.first]], steps, self.chance)
        )


@dataclass(frozen=True)
class LearnedLinker:
    """A linker that was trained on the mentions of some corpora.

    Attributes:
        facts: What it is.
        scorers: By convention.
        memory: The mentions that it was trained on.
    """

    facts: LinkerFacts
    scorers: dict[Convention, Scorer]
    memory: Memory

    def link(
        self, knowledge: Knowledge, mentions: Mentions, pairs: Candidates | None = None
    ) -> dict[Convention, Links]:
        """Link mentions to concepts of ``knowledge``, which may be of a newer graph.

        Each convention has its answers; the comparison of candidates is made once. ``pairs`` are
        the candidates, where they are known.
        """
        pairs = pairs or find_candidates(knowledge, mentions)
        found = describe(knowledge, self.memory, mentions, pairs, self.facts)
        return {convention: scorer(found, pairs) for convention, scorer in self.scorers.items()}

    def save(self, folder: Path, cuis: tuple[str, ...]) -> None:
        """Write it to ``folder``, replacing what is there; ``cuis`` are the dictionary's."""
        concepts, number = np.unique(self.memory.concept, return_inverse=True)
        saved = _Saved(
            facts=self.facts,
            weights={name: own.weights for name, own in self.scorers.items()},
            cuis=tuple(cuis[concept] for concept in concepts.tolist()),
        )
        arrays: dict[str, NDArray[Any]] = {
            f"{convention}.chance": own.chance for convention, own in self.scorers.items()
        }
        arrays |= {
            "memory.concept": number.reshape(-1),
            "memory.key": self.memory.key,
            "memory.document": self.memory.document,
            "memory.in_context": self.memory.in_context,
        }
        stored = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        with new_folder(folder) as building:
            (building / "linker.json").write_text(saved.model_dump_json(indent=2), encoding="utf-8")
            save_file(stored, building / "linker.safetensors")


def open_linker(folder: Path, number: dict[str, int]) -> LearnedLinker:
    """Read a linker; ``number`` gives the place of each CUI in the dictionary it is to use.

    Mentions of concepts that this dictionary lacks are forgotten. Raises :class:`BaliError` when
    ``folder`` holds no linker.
    """
    try:
        saved = _Saved.model_validate_json((folder / "linker.json").read_bytes())
        arrays = load_file(folder / "linker.safetensors")
    except FileNotFoundError:
        raise BaliError(f"{folder} is not a linker: train one with `bali train linker`") from None
    except ValidationError as error:
        what = error.errors()[0]
        file = folder / "linker.json"
        raise BaliError(f"{file} is damaged, or of another version: {what['msg']}") from None
    scorers = {
        name: Scorer(weights, arrays[f"{name}.chance"]) for name, weights in saved.weights.items()
    }
    places = np.array([number.get(cui, -1) for cui in saved.cuis], dtype=np.int64)
    concept = places[arrays["memory.concept"]]
    order = np.argsort(concept, kind="stable")
    order = order[concept[order] >= 0]
    memory = Memory(
        concept[order],
        *(arrays[f"memory.{name}"][order] for name in ("key", "document", "in_context")),
    )
    return LearnedLinker(saved.facts, scorers, memory)


def describe(
    knowledge: Knowledge,
    memory: Memory,
    mentions: Mentions,
    pairs: Candidates,
    facts: LinkerFacts,
    *,
    own: bool = False,
) -> Features:
    """Return every feature of the candidates; ``own`` mentions are those that are remembered."""
    found = text_features(knowledge, mentions, pairs)
    found |= vocabulary_feature(knowledge, mentions, pairs)
    likely = share(_SHARPNESS * (found["name"] + found["sentence"] + found["letters"] / 4), pairs)
    shuffled = facts.edges == "shuffled"
    around = knowledge.with_shuffled_edges(facts.seed) if shuffled else knowledge
    itself, near = coherence(around, mentions, pairs, likely)
    found |= itself | memory.features(mentions, pairs, own=own)
    if facts.reads_edges:
        found |= near | graph_features(around, mentions, pairs)
    return found
