"""A made-up dictionary whose concepts share names in pairs; only a sentence decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from bali_trainers.evaluation import read_names
from bali_trainers.linker import Knowledge, LinkerFacts, Mentions, neighbours

CONCEPTS, WIDTH = 60, 24
FACTS = LinkerFacts(model="m", digest="d", graph_version="g", corpora=("c",), edges="real", seed=1)


@dataclass(frozen=True)
class World:
    knowledge: Knowledge
    senses: np.ndarray
    number: dict[str, int]

    def mentions(self, documents: int, seed: int) -> tuple[Mentions, list[tuple[int, ...]]]:
        """Four mentions a document, by the name that a concept shares with its twin."""
        random = np.random.default_rng(seed)
        gold = random.integers(CONCEPTS, size=4 * documents)
        names = [f"shared{concept // 2}" for concept in gold.tolist()]
        rows = [self.knowledge.table.names.index(name) for name in names]
        unclear = random.choice([0.1, 0.7], size=(len(gold), 1))
        noise = random.normal(size=(len(gold), WIDTH)) * unclear
        return (
            Mentions(
                tuple(names),
                self.knowledge.vectors[rows],
                _unit(self.senses[gold] + noise),
                np.repeat(np.arange(documents), 4),
            ),
            [(concept,) for concept in gold.tolist()],
        )


@pytest.fixture(scope="package")
def world() -> World:
    random = np.random.default_rng(0)
    known = read_names(
        (f"C{i:02}", (f"own name{i}", f"shared{i // 2}", f"other{i} word")) for i in range(CONCEPTS)
    )
    senses = _unit(random.normal(size=(CONCEPTS, WIDTH)))
    vectors = _unit(random.normal(size=(len(known.table.names), WIDTH)))
    for concept, name, place in known.table.bearers.tolist():
        if place == 0:
            vectors[name] = senses[concept]
    ring = np.stack([np.arange(CONCEPTS), (np.arange(CONCEPTS) + 2) % CONCEPTS])
    odd = np.arange(CONCEPTS, dtype=np.float32) % 2
    knowledge = Knowledge(
        known.table,
        vectors,
        np.stack([odd, 1 - odd], axis=1),
        neighbours(ring, CONCEPTS),
    )
    return World(knowledge, senses, known.number)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
