"""A linker that is trained: what it learns, what it keeps, and what it is sure of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from tests.trainers.linker.conftest import CONCEPTS, FACTS, World

from bali_platform.base.errors import BaliError
from bali_trainers.linker import (
    LearnedLinker,
    Mentions,
    are_right,
    find_candidates,
    open_linker,
    train_linker,
)
from bali_trainers.linker.features import behind_best, coherence, rank, share
from bali_trainers.linker.training import HABITS, remember
from bali_trainers.linker.trees import grow


@pytest.fixture(scope="module")
def linker(world: World) -> LearnedLinker:
    return train_linker(world.knowledge, *world.mentions(200, seed=1), FACTS, rounds=20)


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
        links = linker.link(world.knowledge, mentions, convention)
        assert (links.best == wanted).mean() > 0.8
        assert (links.best // 2 == wanted // 2).mean() > 0.95


def test_it_is_the_same_when_it_was_saved_and_opened_with_a_larger_dictionary(
    world: World, linker: LearnedLinker, tmp_path: Path
) -> None:
    linker.save(tmp_path / "linker", world.knowledge.table.cuis)
    assert {path.suffix for path in (tmp_path / "linker").iterdir()} == {".json", ".safetensors"}
    again = open_linker(tmp_path / "linker", world.number)
    mentions, _ = world.mentions(10, seed=4)
    before, after = (one.link(world.knowledge, mentions) for one in (linker, again))
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
    links = linker.link(world.knowledge, mentions)
    right = links.best == np.array(gold)[:, 0]
    assert links.chance.mean() == pytest.approx(right.mean(), abs=0.08)
    noise = np.random.default_rng(0).normal(size=mentions.in_context.shape).astype(np.float32)
    lost = Mentions(mentions.names, mentions.by_name, noise, mentions.document)
    assert linker.link(world.knowledge, lost).chance.mean() < links.chance.mean() - 0.1


def test_the_general_convention_reads_no_habits_and_none_reads_a_graph_that_is_off(
    world: World, linker: LearnedLinker
) -> None:
    assert not HABITS & set(linker.scorers["general"].trees.features)
    assert set(linker.scorers["own"].trees.features) >= HABITS
    mentions, gold = world.mentions(30, seed=6)
    off = FACTS.model_copy(update={"graph": False})
    blind = train_linker(world.knowledge, mentions, gold, off, rounds=5)
    scores = [
        blind.link(knowledge, mentions).scores
        for knowledge in (world.knowledge, world.knowledge.with_shuffled_edges(1))
    ]
    assert np.array_equal(*scores)


def test_shuffled_edges_are_as_many_and_others(world: World) -> None:
    real, other = world.knowledge, world.knowledge.with_shuffled_edges(3)
    assert other.edges.nnz == real.edges.nnz
    assert sorted(other.degree) == sorted(real.degree)
    assert (other.edges != real.edges).nnz > 0
    assert world.knowledge.without_edges().degree.sum() == 0


def test_mentions_do_not_remember_their_own_document(world: World) -> None:
    mentions, gold = world.mentions(1, seed=7)
    memory = remember(mentions, gold)
    pairs = find_candidates(world.knowledge, mentions)
    right = are_right(pairs, gold)
    own = memory.features(mentions, pairs, own=True)
    assert set(own["remembered"]) == {-1.0}
    assert set(own["seen"]) == set(own["text seen"]) == {0.0}
    other = memory.features(mentions, pairs, own=False)
    assert other["remembered"][right].min() == pytest.approx(1, abs=1e-3)
    counts = np.bincount([concept for (concept,) in gold], minlength=CONCEPTS)
    assert np.array_equal(other["seen"], counts[pairs.concept])


def test_neighbours_of_what_else_a_document_mentions_speak_for_a_candidate(world: World) -> None:
    names = ("own name4", "shared3", "own name20")
    rows = [world.knowledge.table.names.index(name) for name in names]
    vectors = world.knowledge.vectors[rows]
    mentions = Mentions(names, vectors, vectors, np.array([0, 0, 1]))
    pairs = find_candidates(world.knowledge, mentions)
    scores = 20 * (vectors[pairs.mention] * world.knowledge.preferred[pairs.concept]).sum(axis=1)
    _, near = coherence(world.knowledge, mentions, pairs, scores)
    found = near["neighbours in the document"]
    asked = pairs.mention == 1
    by_concept = dict(zip(pairs.concept[asked].tolist(), found[asked], strict=True))
    assert by_concept[6] > by_concept[7]
    assert found[pairs.mention == 2].max() == 0


def test_ranks_and_shares_are_within_a_mention(world: World) -> None:
    mentions, _ = world.mentions(2, seed=8)
    pairs = find_candidates(world.knowledge, mentions)
    values = np.random.default_rng(0).integers(4, size=len(pairs.mention)).astype(np.float32)
    ranks, behind, shares = rank(values, pairs), behind_best(values, pairs), share(values, pairs)
    for mention in range(len(mentions.names)):
        own = pairs.mention == mention
        expected = [(values[own] > value).sum() for value in values[own]]
        assert ranks[own].tolist() == expected
        assert np.array_equal(behind[own], values[own].max() - values[own])
        assert shares[own].sum() == pytest.approx(1, abs=1e-5)


def test_trees_score_as_those_that_they_are_taken_from() -> None:
    random = np.random.default_rng(0)
    columns = random.normal(size=(2000, 4)).astype(np.float32)
    right = columns[:, 0] * columns[:, 1] + columns[:, 2] > 0
    trees = grow(columns, right, list("abcd"), seed=3, rounds=10, leaves=7, rate=0.2)
    theirs = HistGradientBoostingClassifier(
        max_iter=10,
        max_leaf_nodes=7,
        learning_rate=0.2,
        min_samples_leaf=40,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=3,
    ).fit(columns, right)
    assert np.allclose(trees(columns), theirs.decision_function(columns), atol=1e-9)
