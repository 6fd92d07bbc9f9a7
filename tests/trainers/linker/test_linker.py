"""A linker that is trained: what it learns, what it keeps, and what it is sure of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.trainers.linker.conftest import CONCEPTS, FACTS, World

from bali_platform.base.errors import BaliError
from bali_trainers.inference.embedding import unit_rows
from bali_trainers.linker import (
    Candidates,
    LearnedLinker,
    Mentions,
    are_right,
    find_candidates,
    open_linker,
    train_linker,
)
from bali_trainers.linker.features import Features, coherence, vocabulary_feature
from bali_trainers.linker.ranker import Weights, learn_weights, score, share
from bali_trainers.linker.training import HABITS, remember


@pytest.fixture(scope="module")
def linker(world: World) -> LearnedLinker:
    return train_linker(world.knowledge, *world.mentions(200, seed=1), FACTS)


def test_candidates_hold_all_who_bear_the_name_each_once(world: World) -> None:
    mentions, gold = world.mentions(5, seed=2)
    pairs = find_candidates(world.knowledge, mentions)
    assert np.bincount(pairs.mention, weights=are_right(pairs, gold)).tolist() == [1] * len(gold)
    rows = list(zip(pairs.mention.tolist(), pairs.concept.tolist(), strict=True))
    assert rows == sorted(set(rows))
    for mention, (concept,) in enumerate(gold):
        assert {(mention, concept), (mention, concept ^ 1)} <= set(rows)


def test_it_learns_what_names_alone_do_not_tell(world: World, linker: LearnedLinker) -> None:
    mentions, gold = world.mentions(40, seed=3)
    wanted = np.array(gold)[:, 0]
    for convention in ("own", "general"):
        links = linker.link(world.knowledge, mentions)[convention]
        assert (links.best == wanted).mean() > 0.8
        assert (links.best // 2 == wanted // 2).mean() > 0.95


def test_it_is_the_same_when_it_was_saved_and_opened_with_a_larger_dictionary(
    world: World, linker: LearnedLinker, tmp_path: Path
) -> None:
    linker.save(tmp_path / "linker", world.knowledge.table.cuis)
    assert {path.suffix for path in (tmp_path / "linker").iterdir()} == {".json", ".safetensors"}
    again = open_linker(tmp_path / "linker", world.number)
    mentions, _ = world.mentions(10, seed=4)
    before, after = (one.link(world.knowledge, mentions)["own"] for one in (linker, again))
    assert np.array_equal(before.scores, after.scores)
    assert np.array_equal(before.chance, after.chance)
    assert again.facts == FACTS
    fewer = {cui: number for cui, number in world.number.items() if number % 2}
    remembered = open_linker(tmp_path / "linker", fewer).memory.concept
    assert set(remembered.tolist()) == {n for n in linker.memory.concept.tolist() if n % 2}


def test_a_folder_without_a_linker_or_with_half_of_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaliError, match="is not a linker: train one"):
        open_linker(tmp_path, {})
    (tmp_path / "linker.json").write_text('{"facts": 1}')
    (tmp_path / "linker.safetensors").write_bytes(b"")
    with pytest.raises(BaliError, match="is damaged"):
        open_linker(tmp_path, {})


def test_chances_are_of_answers_that_it_had_not_seen(world: World, linker: LearnedLinker) -> None:
    mentions, gold = world.mentions(200, seed=5)
    links = linker.link(world.knowledge, mentions)["own"]
    right = links.best == np.array(gold)[:, 0]
    assert links.chance.mean() == pytest.approx(right.mean(), abs=0.08)
    noise = unit_rows(np.random.default_rng(0).normal(size=mentions.in_context.shape))
    lost = Mentions(mentions.names, mentions.by_name, noise, mentions.document)
    assert linker.link(world.knowledge, lost)["own"].chance.mean() < links.chance.mean() - 0.1


def test_the_general_convention_reads_no_habits_and_none_reads_a_graph_that_is_off(
    world: World, linker: LearnedLinker
) -> None:
    assert not HABITS & set(linker.scorers["general"].weights)
    assert set(linker.scorers["own"].weights) >= HABITS
    mentions, gold = world.mentions(30, seed=6)
    off = FACTS.model_copy(update={"edges": "none"})
    blind = train_linker(world.knowledge, mentions, gold, off)
    scores = [
        blind.link(knowledge, mentions)["own"].scores
        for knowledge in (world.knowledge, world.knowledge.with_shuffled_edges(1))
    ]
    assert np.array_equal(*scores)


def test_shuffled_edges_are_as_many_and_others(world: World) -> None:
    real, other = world.knowledge, world.knowledge.with_shuffled_edges(3)
    assert other.edges.nnz == real.edges.nnz
    assert sorted(other.degree) == sorted(real.degree)
    assert (other.edges != real.edges).nnz > 0
    mentions, gold = world.mentions(30, seed=9)
    control = FACTS.model_copy(update={"edges": "shuffled"})
    told = train_linker(real, mentions, gold, control).scorers["general"].weights
    assert told != train_linker(real, mentions, gold, FACTS).scorers["general"].weights


def test_mentions_do_not_remember_their_own_document(world: World) -> None:
    mentions, gold = world.mentions(1, seed=7)
    memory = remember(mentions, gold)
    pairs = find_candidates(world.knowledge, mentions)
    right = are_right(pairs, gold)
    own = memory.features(mentions, pairs, own=True)
    assert set(own["remembered"]) == set(own["seen"]) == {0.0}
    other = memory.features(mentions, pairs, own=False)
    assert other["remembered"][right].min() == pytest.approx(1, abs=1e-3)
    counts = np.bincount([concept for (concept,) in gold], minlength=CONCEPTS)
    assert np.allclose(np.expm1(other["seen"]), counts[pairs.concept], atol=1e-5)


def test_neighbours_of_what_else_a_document_mentions_speak_for_a_candidate(world: World) -> None:
    names = ("own name4", "shared3", "own name20")
    rows = [world.knowledge.table.names.index(name) for name in names]
    vectors = world.knowledge.vectors[rows]
    mentions = Mentions(names, vectors, vectors, np.array([0, 0, 1]))
    pairs = find_candidates(world.knowledge, mentions)
    alike = (vectors[pairs.mention] * world.knowledge.preferred[pairs.concept]).sum(axis=1)
    _, near = coherence(world.knowledge, mentions, pairs, share(20 * alike, pairs))
    found = near["neighbours in the document"]
    asked = pairs.mention == 1
    by_concept = dict(zip(pairs.concept[asked].tolist(), found[asked], strict=True))
    assert by_concept[6] > by_concept[7]
    assert found[pairs.mention == 2].max() == 0


def test_what_texts_mention_beyond_doubt_tells_their_vocabulary(world: World) -> None:
    names = ("own name1", "own name3", "shared5")
    vectors = world.knowledge.vectors[[world.knowledge.table.names.index(name) for name in names]]
    mentions = Mentions(names, vectors, vectors, np.zeros(3, np.int64))
    pairs = find_candidates(world.knowledge, mentions)
    fits = vocabulary_feature(world.knowledge, mentions, pairs)["vocabularies"]
    asked = pairs.mention == 2
    by_concept = dict(zip(pairs.concept[asked].tolist(), fits[asked].tolist(), strict=True))
    assert by_concept[11] > 0 > by_concept[10]
    nothing = Mentions(("shared5",), vectors[2:], vectors[2:], np.zeros(1, np.int64))
    pairs = find_candidates(world.knowledge, nothing)
    assert np.allclose(vocabulary_feature(world.knowledge, nothing, pairs)["vocabularies"], 0)


def test_shares_are_of_a_mention_and_weights_find_what_decided(world: World) -> None:
    mentions, _ = world.mentions(30, seed=8)
    pairs = find_candidates(world.knowledge, mentions)
    random = np.random.default_rng(0)
    found = {
        name: random.normal(size=len(pairs.mention)).astype(np.float32) for name in ("a", "b", "c")
    }
    truth = {"a": 3.0, "b": -2.0, "c": 0.0}
    likely = share(score(truth, found), pairs)
    assert np.allclose(np.bincount(pairs.mention, weights=likely), 1)
    noise = random.gumbel(size=len(likely))
    drawn = np.lexsort((-(score(truth, found) + noise), pairs.mention))[pairs.first]
    right = np.isin(np.arange(len(likely)), drawn)
    weights = learn_weights(found, list(truth), pairs, right)
    assert weights == pytest.approx(truth, abs=0.9)
    off = {name: weight + 0.3 for name, weight in weights.items()}
    assert _likelihood(weights, found, pairs, right) > _likelihood(off, found, pairs, right)


def _likelihood(weights: Weights, found: Features, pairs: Candidates, right: np.ndarray) -> float:
    return float(np.log(share(score(weights, found), pairs)[right]).sum())
