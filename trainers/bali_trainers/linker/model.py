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
    prior_features,
    text_features,
)
from bali_trainers.linker.knowledge import Knowledge
from bali_trainers.linker.memory import Memory
from bali_trainers.linker.trees import NODES, Trees

Convention = Literal["own", "general"]
"""``own``: the habits of the training corpora are kept; ``general``: texts and neighbours decide,
and of equally likely concepts the one with most names is meant."""

CONVENTIONS: tuple[Convention, ...] = ("own", "general")
_SAME = 1e-6


class LinkerFacts(BaseModel):
    """What a linker's folder says of it, besides its arrays.

    Attributes:
        model: The language model below it.
        digest: Of that model's weights.
        graph_version: The graph that it was trained on.
        corpora: Names and digests of what it was trained on.
        graph: Whether it looks at neighbours.
        seed: Of the training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    model: str
    digest: str
    graph_version: str
    corpora: tuple[str, ...]
    graph: bool
    seed: int


class _Saved(BaseModel):
    """The file ``linker.json``: facts, what trees read and start from, remembered concepts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: LinkerFacts
    features: dict[Convention, tuple[str, ...]]
    base: dict[Convention, float]
    cuis: tuple[str, ...]


@dataclass(frozen=True)
class Links:
    """What a linker answers about M mentions.

    Attributes:
        pairs: The P candidates.
        scores: [P] logarithm of the odds of each.
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
    """Trees of one convention, and how often their likeliest candidates are right.

    Attributes:
        trees: They score candidates.
        odds: [K] scores, ascending.
        chance: [K] how often answers of that score were right, ascending.
    """

    trees: Trees
    odds: NDArray[np.float64]
    chance: NDArray[np.float64]

    def __call__(self, features: Features, pairs: Candidates) -> Links:
        """Order candidates, and say how sure that is."""
        columns = np.stack([features[name] for name in self.trees.features], axis=1)
        scores = self.trees(columns)
        size, place = features["names"], features["place"]
        level = np.round(scores / _SAME)
        order = np.lexsort((pairs.concept, place, -size, -level, pairs.mention))
        chance = np.interp(scores[order[pairs.first]], self.odds, self.chance)
        return Links(pairs, scores, order, chance)


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
        self, knowledge: Knowledge, mentions: Mentions, convention: Convention = "own"
    ) -> Links:
        """Link mentions to concepts of ``knowledge``, which may be of a newer graph."""
        return self.link_all(knowledge, mentions)[convention]

    def link_all(self, knowledge: Knowledge, mentions: Mentions) -> dict[Convention, Links]:
        """Link mentions by each convention; the comparison of candidates is made once."""
        pairs = find_candidates(knowledge, mentions)
        found = describe(knowledge, self.memory, mentions, pairs, graph=self.facts.graph)
        return {convention: score(found, pairs) for convention, score in self.scorers.items()}

    def save(self, folder: Path, cuis: tuple[str, ...]) -> None:
        """Write it to ``folder``, replacing what is there; ``cuis`` are the dictionary's."""
        concepts, number = np.unique(self.memory.concept, return_inverse=True)
        saved = _Saved(
            facts=self.facts,
            features={name: own.trees.features for name, own in self.scorers.items()},
            base={name: own.trees.base for name, own in self.scorers.items()},
            cuis=tuple(cuis[concept] for concept in concepts.tolist()),
        )
        arrays: dict[str, NDArray[Any]] = {
            f"{convention}.{name}": array
            for convention, own in self.scorers.items()
            for name, array in (
                *own.trees.arrays().items(),
                ("odds", own.odds),
                ("chance", own.chance),
            )
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
        raise BaliError(f"{folder / 'linker.json'} is damaged: {what['msg']}") from None
    scorers = {
        name: Scorer(
            Trees(
                saved.features[name],
                saved.base[name],
                arrays[f"{name}.roots"],
                **{column: arrays[f"{name}.{column}"] for column in NODES},
            ),
            arrays[f"{name}.odds"],
            arrays[f"{name}.chance"],
        )
        for name in CONVENTIONS
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
    *,
    graph: bool,
    own: bool = False,
) -> Features:
    """Return every feature of the candidates; ``own`` mentions are those that are remembered."""
    found = text_features(knowledge, mentions, pairs) | prior_features(knowledge, pairs)
    likely = 20 * found["mixed"] + 5 * found["letters"]
    itself, near = coherence(knowledge, mentions, pairs, likely)
    found |= itself | memory.features(mentions, pairs, own=own)
    if graph:
        found |= near | graph_features(knowledge, mentions, pairs)
    return found
