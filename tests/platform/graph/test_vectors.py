"""Vectors in the graph, held against cosines worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.graph import Graph
from bali_platform.graph.vectors import Maker, Mentioned, Vectors

pytestmark = pytest.mark.services

MAKER = Maker("models/one", "d1", 8)
OTHER = Maker("models/two", "d2", 4)


@pytest.fixture
def vectors(graph: Graph) -> Iterator[Vectors]:
    vectors = Vectors(graph)
    yield vectors
    vectors.clear()


@pytest.fixture
def written(vectors: Vectors, seeded) -> dict[str, np.ndarray]:
    """A vector for every concept of the graph."""
    random = np.random.default_rng(3)
    made = {cui: random.normal(size=8).astype(np.float32) for cui in seeded.names}
    vectors.begin(MAKER)
    vectors.write([(cui, vector.tolist()) for cui, vector in made.items()])
    vectors.finish(MAKER)
    return made


def ranked(vector: np.ndarray, made: dict[str, np.ndarray]) -> list[tuple[str, float]]:
    cosines = {
        cui: float(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other))
        for cui, other in made.items()
    }
    return sorted(cosines.items(), key=lambda item: -item[1])


def test_similar_concepts_are_those_with_the_highest_cosine(vectors, written, seeded):
    found = vectors.similar("C0000010", 5)
    wanted = [row for row in ranked(written["C0000010"], written) if row[0] != "C0000010"][:5]
    assert [one.cui for one in found] == [cui for cui, _ in wanted]
    assert [one.cosine for one in found] == pytest.approx([c for _, c in wanted], abs=1e-5)
    assert found[0].name == seeded.names[found[0].cui][0]
    assert vectors.maker() == MAKER
    assert vectors.made_by(MAKER)
    assert not vectors.made_by(OTHER)


def test_a_vector_finds_its_neighbours(vectors, written):
    vector = np.random.default_rng(9).normal(size=8).astype(np.float32)
    found = vectors.nearest(vector.tolist(), 7)
    assert [one.cui for one in found] == [cui for cui, _ in ranked(vector, written)[:7]]


def test_linking_puts_bearers_of_the_name_before_what_is_only_near(vectors, written):
    random = np.random.default_rng(4)
    one, two = (random.normal(size=8).astype(np.float32) for _ in range(2))
    bearers = ["C0000020", "C0000030"]
    named, free = vectors.link([Mentioned(one.tolist(), bearers), Mentioned(two.tolist())], limit=4)
    order = [cui for cui, _ in ranked(one, written)]
    assert [c.cui for c in named[:2]] == sorted(bearers, key=order.index)
    assert [c.named for c in named] == [True, True, False, False]
    assert [c.cui for c in named[2:]] == [cui for cui in order if cui not in bearers][:2]
    assert [c.cui for c in free] == [cui for cui, _ in ranked(two, written)[:4]]
    assert [c.cosine for c in free] == pytest.approx(
        [cosine for _, cosine in ranked(two, written)[:4]], abs=1e-5
    )


def test_two_models_never_mix(vectors, written):
    with pytest.raises(BaliError, match=r"holds vectors of models/one.*--replace"):
        vectors.begin(OTHER)
    assert vectors.count() == 0
    vectors.begin(OTHER, replace=True)
    assert vectors.count() == len(written)
    assert not vectors.made_by(OTHER)
    with pytest.raises(BaliError, match=r"of models/two are not all written"):
        vectors.nearest([1.0, 0.0, 0.0, 0.0])
    vectors.write([("C0000010", [1.0, 0.0, 0.0, 0.0])])
    vectors.finish(OTHER)
    assert [one.cui for one in vectors.nearest([1.0, 0.0, 0.0, 0.1])] == ["C0000010"]
    with pytest.raises(BaliError, match=r"C0000011 has no vector"):
        vectors.similar("C0000011")


def test_vectors_of_unknown_origin_are_not_removed_unasked(vectors, seeded):
    vectors.write([("C0000010", [1.0, 0.0, 0.0])])
    with pytest.raises(BaliError, match=r"vectors that `bali embed` did not write: .*--replace"):
        vectors.begin(MAKER)
    assert vectors.read(["C0000010"]) == [[1.0, 0.0, 0.0]]
    assert vectors.maker() is None
    vectors.begin(MAKER, replace=True)
    assert vectors.read(["C0000010"]) == [None]
    assert vectors.maker() == MAKER


def test_a_graph_without_vectors_says_how_to_make_some(vectors):
    assert vectors.maker() is None
    with pytest.raises(BaliError, match="bali embed MODEL"):
        vectors.similar("C0000010")


def test_what_is_missing_comes_in_order_and_filtered(vectors, seeded, monkeypatch):
    monkeypatch.setattr("bali_platform.graph.vectors.AT_ONCE", 150)
    vectors.begin(MAKER)
    vectors.write([(cui, [1.0] * 8) for cui in list(seeded.names)[:100]])
    pages = list(vectors.pending())
    assert [len(page) for page in pages] == [150, 150]
    assert [row for page in pages for row in page] == [
        (cui, names[0]) for cui, names in list(seeded.names.items())[100:]
    ]
    of_anatomy = {cui for cui, group in seeded.groups.items() if group == "Anatomy"}
    everything = vectors.pending(groups=["Anatomy"], sources=["MSH"], missing_only=False)
    assert {cui for page in everything for cui, _ in page} == of_anatomy
    assert vectors.count(groups=["Anatomy"], missing_only=False) == len(of_anatomy)
    assert vectors.count(sources=["GO"], missing_only=False) == 0
    with pytest.raises(UsageError, match=r"did you mean 'Anatomy'"):
        vectors.count(groups=["anatomy"])
    assert vectors.read(["C0000001", "C0000400"]) == [[1.0] * 8, None]
