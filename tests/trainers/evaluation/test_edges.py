"""Edges that training never saw: what is asked, what is answered, and by which vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bali_platform.base.errors import BaliError
from bali_platform.subgraphs import Edge, Lookup, Neighbourhood
from bali_trainers.batches.edges import is_withheld_edge
from bali_trainers.batches.spec import DataSpec
from bali_trainers.evaluation import (
    build_edge_task,
    build_pair_task,
    concept_vectors,
    evaluate_links,
    evaluate_pairs,
    report,
)
from bali_trainers.evaluation.links import filtered_ranks, link_metrics, relation_offsets
from bali_trainers.evaluation.pairs import UNRELATED
from bali_trainers.export import export_model
from bali_trainers.inference.embedding import NameEncoder
from bali_trainers.training.config import parse_config
from bali_trainers.training.joint_model import build_task

FRACTION = 0.3
TYPES = ("ISA", "TREATS")


@dataclass
class Facts:
    """A graph that is a list of (head, type, tail); concept number n is called ``wn``."""

    facts: Sequence[tuple[int, str, int]]
    concepts: int
    graph_version: str = "g0"

    @property
    def cuis(self) -> list[str]:
        return [f"C{number:03d}" for number in range(self.concepts)]

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        found = {}
        for cui in cuis:
            own = int(cui[1:])
            edges = [Edge(f"C{t:03d}", kind, True) for h, kind, t in self.facts if h == own]
            edges += [Edge(f"C{h:03d}", kind, False) for h, kind, t in self.facts if t == own]
            found[cui] = Neighbourhood(cui, (f"w{own}",), tuple(sorted(set(edges))))
        return Lookup(found, ())

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {cui: (f"w{int(cui[1:])}", "w9 w9") for cui in cuis}


def random_graph(concepts: int = 60, seed: int = 5) -> Facts:
    random = np.random.default_rng(seed)
    ends = random.integers(0, concepts, (4 * concepts, 2)).tolist()
    return Facts([(a, TYPES[(a + b) % 2], b) for a, b in ends if a != b], concepts)


@pytest.fixture
def aligned(settings_text: Any, tiny_model: Any, tmp_path: Path) -> Callable[..., Path]:
    """An exported model that was trained without ``withheld`` edges."""

    def make(withheld: float = FRACTION, **graph_encoder: Any) -> Path:
        config = parse_config({**settings_text(), "graph_encoder": graph_encoder}, "test")
        spec = DataSpec(
            seed=1,
            corpus=tmp_path,
            corpus_sha="c0",
            graph_version="g0",
            relation_types=TYPES,
            tokenizer=tiny_model(),
            neighbours=64,
            withheld_edges=withheld,
        )
        folder = tmp_path / "model"
        export_model(build_task(config, len(TYPES)), config, spec, {}, folder)
        return folder

    return make


# -- what is asked


def commonest(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


def test_the_task_is_what_the_rules_say() -> None:
    graph = random_graph()
    task = build_edge_task(reversed(graph.cuis), graph, withheld=FRACTION)
    assert list(task.cuis) == graph.cuis
    assert task.names[7] == "w7"

    def told(rows: np.ndarray) -> set[tuple[int, str, int]]:
        return {(h, task.relations[r], t) for h, r, t in rows.tolist()}

    def away(head: int, tail: int) -> bool:
        return is_withheld_edge(f"C{head:03d}", f"C{tail:03d}", FRACTION)

    secret = {(h, r, t) for h, r, t in graph.facts if away(h, t)}
    assert told(task.known) == set(graph.facts) - secret
    assert told(task.secret) == told(task.asked) == secret
    assert len(task.known) + len(task.secret) == len(set(graph.facts))
    marked = task.of_relation()
    kinds = [task.relations[r] for _, r, _ in task.asked.tolist()] * 2
    assert list(marked) == [kind for kind, _ in sorted(Counter(kinds).items(), key=commonest)]
    for kind, mask in marked.items():
        assert mask.tolist() == [kind == one for one in kinds]
    for cui in graph.cuis:
        for edge in task.source.neighbourhoods([cui]).found[cui].edges:
            assert not is_withheld_edge(cui, edge.neighbour, FRACTION)


def test_a_sample_of_the_concepts_holds_the_ends_of_what_is_asked() -> None:
    graph = random_graph()
    every = build_edge_task(graph.cuis, graph, withheld=FRACTION)
    some = build_edge_task(graph.cuis, graph, withheld=FRACTION, limit=3, candidates=10)
    assert len(some.asked) == 3
    assert 10 <= len(some.cuis) <= 16
    within = {
        (every.cuis[h], every.relations[r], every.cuis[t])
        for h, r, t in np.concatenate([every.known, every.secret]).tolist()
        if every.cuis[h] in some.cuis and every.cuis[t] in some.cuis
    }
    assert within == {
        (some.cuis[h], some.relations[r], some.cuis[t])
        for h, r, t in np.concatenate([some.known, some.secret]).tolist()
    }


def test_a_graph_without_a_withheld_edge_is_named() -> None:
    with pytest.raises(BaliError, match=r"no edge is withheld at a fraction of 0\.0"):
        build_edge_task(random_graph().cuis, random_graph(), withheld=0.0)


# -- what is answered


@given(data=st.data(), queries=st.integers(1, 4), candidates=st.integers(2, 8))
def test_ranks_are_those_of_a_sorted_list(
    data: st.DataObject, queries: int, candidates: int
) -> None:
    grid = st.integers(-2, 2)
    lists = st.lists(st.lists(grid, min_size=2, max_size=2), min_size=candidates)
    places = np.array(data.draw(lists)[:candidates], dtype=np.float32)
    asked = np.array(
        [data.draw(st.lists(grid, min_size=2, max_size=2)) for _ in range(queries)], np.float32
    )
    number = st.integers(0, candidates - 1)
    wanted = np.array([data.draw(number) for _ in range(queries)])
    others = [np.array(data.draw(st.lists(number)), dtype=np.int64) for _ in range(queries)]
    ranks = filtered_ranks(asked, places, wanted, others)
    for query, want, out, rank in zip(asked, wanted, others, ranks, strict=True):
        rivals = [c for c in range(candidates) if c != want and c not in out.tolist()]
        scores = [float(query @ places[c]) for c in rivals]
        own = float(query @ places[want])
        better = sum(score > own for score in scores)
        worse = better + sum(score == own for score in scores)
        assert rank == ((1 + better) + (1 + worse)) / 2


def test_metrics_and_offsets_by_hand() -> None:
    metrics = link_metrics(np.array([1, 1.5, 4, 11.0]))
    assert metrics["mrr"].tolist() == [1, 1 / 1.5, 1 / 4, 1 / 11]
    assert metrics["hits@1"].tolist() == [1, 0, 0, 0]
    assert metrics["hits@3"].tolist() == [1, 1, 0, 0]
    assert metrics["hits@10"].tolist() == [1, 1, 1, 0]
    vectors = np.array([[1, 0], [0, 1], [3, 3]], dtype=np.float32)
    known = np.array([(0, 0, 1), (2, 0, 1), (0, 1, 2)])
    expected = [[-4 / 12, -1 / 12], [2 / 11, 3 / 11], [0, 0]]
    np.testing.assert_allclose(relation_offsets(vectors, known, 3), expected, rtol=1e-6)


def test_links_are_those_of_a_slow_reading(aligned: Callable[..., Path]) -> None:
    graph = random_graph()
    model = str(aligned(kind="gatv2", layers=1))
    task = build_edge_task(graph.cuis, graph, withheld=FRACTION)
    outcomes = evaluate_links(model, task)
    vectors = concept_vectors(model, task)
    facts = set(graph.facts)
    asked = [(h, task.relations[r], t) for h, r, t in task.asked.tolist()]
    known = [(h, task.relations[r], t) for h, r, t in task.known.tolist()]
    for outcome in outcomes:
        place = {n: row.astype(float) for n, row in enumerate(vectors[outcome.view])}

        def offset(kind: str, place: dict[int, Any] = place) -> Any:
            own = [place[t] - place[h] for h, r, t in known if r == kind]
            return np.sum(own, axis=0) / (len(own) + 10)

        def rank(query: Any, want: int, wrong: list[int], place: dict[int, Any] = place) -> float:
            def cosine(c: int) -> float:
                return float(query @ place[c] / np.linalg.norm(query))

            gaps = [cosine(c) - cosine(want) for c in wrong if c != want]
            return 1 + sum(1.0 if gap > 1e-6 else 0.5 * (gap > -1e-6) for gap in gaps)

        tails = [
            rank(place[h] + offset(r), t, [c for c in place if c != h and (h, r, c) not in facts])
            for h, r, t in asked
        ]
        heads = [
            rank(place[t] - offset(r), h, [c for c in place if c != t and (c, r, t) not in facts])
            for h, r, t in asked
        ]
        expected = 1 / np.array([*tails, *heads])
        np.testing.assert_allclose(outcome.scores["mrr"], expected, rtol=1e-6)
    found = report(task, outcomes)
    every = found.sections["all"]
    assert list(every.models) == [f"{model}, {view}" for view in ("name", "graph", "alone")]
    gain = found.sections["neighbours"].differences[model]["mrr"].value
    by_view = {view: every.models[f"{model}, {view}"]["mrr"].value for view in vectors}
    assert gain == pytest.approx(by_view["graph"] - by_view["alone"])
    assert list(every.differences) == [f"{model}, {view}" for view in ("graph", "alone")]
    assert every.differences[f"{model}, alone"]["mrr"].value == pytest.approx(
        by_view["alone"] - by_view["name"]
    )
    assert type(found).model_validate_json(found.model_dump_json()) == found


# -- by which vectors


def test_a_graph_encoder_reads_names_and_shown_neighbours(aligned: Callable[..., Path]) -> None:
    graph = random_graph()
    model = str(aligned(kind="mean"))
    task = build_edge_task(graph.cuis, graph, withheld=FRACTION)
    found = concept_vectors(model, task)
    states = NameEncoder(model).encode(task.names, unit=False)
    own = torch.from_numpy(states.vectors[states.row])
    np.testing.assert_allclose(found["alone"], found["name"], atol=1e-6)
    for number, cui in enumerate(task.cuis):
        edges = task.source.neighbourhoods([cui]).found[cui].edges
        around = own[[int(edge.neighbour[1:]) for edge in edges] or [number]].mean(0)
        mean = torch.nn.functional.normalize(own[number] + around, dim=0)
        np.testing.assert_allclose(found["graph"][number], mean.numpy(), atol=1e-5)


def test_a_linearised_encoder_is_read_too(aligned: Callable[..., Path]) -> None:
    graph = random_graph(concepts=12)
    model = str(aligned(kind="linearised"))
    task = build_edge_task(graph.cuis, graph, withheld=FRACTION)
    found = concept_vectors(model, task)
    encoder = NameEncoder(model)
    ids = encoder.pieces.encode([f"w{number}" for number in range(12)], 8)
    first = encoder.encode_first(ids.ids, ids.mask)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    np.testing.assert_allclose(found["alone"], first, atol=1e-6)
    assert not np.allclose(found["graph"], found["alone"], atol=1e-3)


def test_a_model_without_a_graph_encoder_is_its_names(tiny_model: Callable[..., Path]) -> None:
    graph = random_graph(concepts=20)
    task = build_edge_task(graph.cuis, graph, withheld=FRACTION)
    assert list(concept_vectors(str(tiny_model()), task)) == ["name"]


def test_a_model_that_saw_the_edges_is_refused(aligned: Callable[..., Path]) -> None:
    graph = random_graph(concepts=20)
    task = build_edge_task(graph.cuis, graph, withheld=FRACTION)
    with pytest.raises(BaliError, match=r"trained on the edges .* withheld_edges = 0\.3"):
        concept_vectors(str(aligned(withheld=0.2, kind="mean")), task)


# -- how two concepts are related


def pairs_graph() -> Facts:
    """A type that its head tells, and one pair that is related twice."""
    facts = [(a, TYPES[a % 2], b) for a, b in product(range(20), range(20, 60)) if (a + b) % 3]
    return Facts([*facts, (0, "ISA", 0 + 22), (22, "TREATS", 0)], 60)


def test_pairs_have_one_relation_or_none() -> None:
    graph = pairs_graph()
    task = build_pair_task(build_edge_task(graph.cuis, graph, withheld=FRACTION))
    facts = {frozenset((h, t)): kind for h, kind, t in graph.facts}
    pairs = zip(task.head.tolist(), task.tail.tolist(), task.classes.examples, strict=True)
    for head, tail, example in pairs:
        assert example.texts == (f"w{head}", f"w{tail}")
        assert {head, tail} != {0, 22}
        if example.label == UNRELATED:
            assert frozenset((head, tail)) not in facts
        else:
            assert facts[frozenset((head, tail))] == example.label
            assert is_withheld_edge(f"C{head:03d}", f"C{tail:03d}", FRACTION)
    labels = [example.label for example in task.classes.examples]
    assert set(labels) == {*TYPES, UNRELATED}
    tested = np.concatenate([fold.test for fold in task.classes.folds])
    assert sorted(tested.tolist()) == list(range(len(labels)))
    for fold in task.classes.folds:
        assert not {task.head[i] for i in fold.train} & {task.head[i] for i in fold.test}


def test_rare_relations_are_no_task() -> None:
    graph = random_graph(concepts=12)
    with pytest.raises(BaliError, match="no relation type has 20 pairs"):
        build_pair_task(build_edge_task(graph.cuis, graph, withheld=FRACTION))


def test_probes_read_both_concepts(tiny_model: Callable[..., Path]) -> None:
    graph = Facts([(a, TYPES[b % 2], b) for a in range(30) for b in (40, 41)], 42)
    task = build_pair_task(build_edge_task(graph.cuis, graph, withheld=0.9))
    found = report(task.classes, evaluate_pairs(str(tiny_model()), task))
    (scores,) = found.sections["all"].models.values()
    assert scores["accuracy"].value == 1
