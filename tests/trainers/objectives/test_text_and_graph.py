from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from bali_trainers.batches.batch import Batch
from bali_trainers.models.graph import NeighbourMean
from bali_trainers.models.views import Views
from bali_trainers.objectives.mlm import GraphToText
from bali_trainers.objectives.relations import LinkPrediction, TextToGraph
from bali_trainers.training.config import parse_config
from bali_trainers.training.joint_model import build_task

RELATIONS = 3


@pytest.fixture
def views(settings_text, make_arrays):
    def make(arrays=None, graph=None, **sections):
        config = parse_config(settings_text(**sections), "test")
        task = build_task(config, RELATIONS).eval()
        batch = Batch.from_arrays(arrays or make_arrays(sentences=6))
        return Views(batch, task.text, task.pooling, graph or task.graph)

    return make


def without_edges(arrays):
    """Return the same batch with every concept alone."""
    return arrays | {
        "edge_index": arrays["edge_index"][:, :0],
        "edge_type": arrays["edge_type"][:0],
    }


def test_text_to_graph_equals_a_loop_over_edges(views):
    seen = views()
    torch.manual_seed(4)
    objective = TextToGraph(1.0, seen.text.width, RELATIONS)
    graph = seen.batch.graph
    table = functional.normalize(objective.relation) * seen.text.width**0.5
    tails = functional.normalize(objective.neighbour(seen.nodes))
    relation_losses, neighbour_losses, named, found = [], [], [], []
    targets = graph.targets.tolist()
    facts = zip(*graph.edges.tolist(), graph.types.tolist(), strict=True)
    edges = [fact for fact in facts if fact[1] in targets]

    def same(one, other):
        return graph.node_concept[one] == graph.node_concept[other]

    for source, target, kind in edges:
        mention = targets.index(target)
        head = functional.normalize(objective.mention(seen.mentions[mention]), dim=0)
        scores = torch.stack([(head * row * tails[source]).sum() for row in table])
        relation_losses.append(functional.cross_entropy(scores, torch.tensor(kind)))
        named.append(float(scores.argmax() == kind))
        right = {graph.node_name[s].item() for s, t, _ in edges if t == target}
        candidates = [
            node
            for node in range(len(graph.node_name))
            if node == source or not (same(node, target) or graph.node_name[node].item() in right)
        ]
        scores = torch.stack([(head * table[kind] * tails[node]).sum() for node in candidates])
        place = candidates.index(source)
        neighbour_losses.append(functional.cross_entropy(scores, torch.tensor(place)))
        found.append(float(scores.argmax() == place))
    outcome = objective(seen)
    expected = torch.stack(relation_losses).mean() + torch.stack(neighbour_losses).mean()
    torch.testing.assert_close(outcome.loss, expected)
    torch.testing.assert_close(outcome.metrics["relation"], torch.tensor(named).mean())
    torch.testing.assert_close(outcome.metrics["neighbour"], torch.tensor(found).mean())


def test_text_to_graph_reaches_the_text_of_mentions(views):
    seen = views()
    seen.mentions.retain_grad()
    TextToGraph(1.0, seen.text.width, RELATIONS)(seen).loss.backward()
    graph = seen.batch.graph
    sampled = graph.targets[torch.isin(graph.targets, graph.edges[1])]
    assert (seen.mentions.grad[sampled].norm(dim=1) > 0).all()


def test_text_to_graph_without_an_edge_is_zero(views, make_arrays):
    seen = views(without_edges(make_arrays()))
    outcome = TextToGraph(1.0, seen.text.width, RELATIONS)(seen)
    outcome.loss.backward()
    assert outcome.loss == 0


@pytest.mark.parametrize("ends", ["names", "graphs"])
def test_link_prediction_equals_a_loop_over_concepts(views, make_arrays, ends):
    seen = views(make_arrays(sentences=6, further=4), graph=NeighbourMean())
    objective = LinkPrediction(1.0, seen.text.width, RELATIONS, 0.1, ends)
    torch.nn.init.normal_(objective.relation, std=0.05)
    graph, looked_for = seen.batch.graph, functional.normalize(seen.nodes)
    concept, name = graph.node_concept.tolist(), graph.node_name.tolist()
    facts = list(zip(*graph.edges.tolist(), graph.types.tolist(), strict=True))
    roots = torch.cat([graph.targets, graph.negatives, graph.further]).tolist()
    looked_at = set(range(len(name)))
    if ends == "graphs":
        around_roots = [(t, [s for s, end, _ in facts if end == t][1:]) for t in roots]
        vectors = seen.nodes.clone()
        for target, others in around_roots:
            if others:
                vectors[target] = (seen.nodes[target] + seen.nodes[others].mean(0)) / 2
        looked_for = functional.normalize(vectors)
        looked_at = {source for source, _, _ in facts}
    losses, hits = [], []
    for target in roots:
        around = [fact for fact in facts if fact[1] == target]
        if not around:
            continue
        (asked, _, kind), *others = around
        head = seen.nodes[target]
        if others:
            head = (head + seen.nodes[[source for source, _, _ in others]].mean(0)) / 2
        sought = functional.normalize(head, dim=0) + objective.relation[kind]
        right = {name[source] for source, _, _ in around}
        candidates = [asked] + [
            node
            for node in looked_at - {asked}
            if concept[node] != concept[target] and name[node] not in right
        ]
        scores = looked_for[candidates] @ functional.normalize(sought, dim=0) / 0.1
        losses.append(functional.cross_entropy(scores, torch.tensor(0)))
        hits.append(float(scores.argmax() == 0))
    outcome = objective(seen)
    assert len(losses) > 1
    torch.testing.assert_close(outcome.loss, torch.stack(losses).mean())
    torch.testing.assert_close(outcome.metrics["top1"], torch.tensor(hits).mean())


def test_link_prediction_never_reads_the_edge_that_it_asks_for(views, make_arrays):
    arrays = make_arrays(sentences=6)
    first = np.unique(arrays["edge_index"][1], return_index=True)[1]
    single = arrays | {
        "edge_index": arrays["edge_index"][:, first],
        "edge_type": arrays["edge_type"][first],
    }
    seen = views(single)
    targets = seen.batch.graph.targets
    found = seen.graph_from(torch.empty(0, dtype=torch.long), targets)
    torch.testing.assert_close(found, views(without_edges(single)).graph[: len(targets)])


def test_link_prediction_learns_relations_and_names(views):
    seen = views()
    objective = LinkPrediction(1.0, seen.text.width, RELATIONS, temperature=0.07)
    seen.nodes.retain_grad()
    objective(seen).loss.backward()
    assert objective.relation.grad.norm() > 0
    assert (seen.nodes.grad.norm(dim=1) > 0).any()


def test_link_prediction_without_an_edge_is_zero(views, make_arrays):
    seen = views(without_edges(make_arrays()))
    outcome = LinkPrediction(1.0, seen.text.width, RELATIONS, temperature=0.07)(seen)
    outcome.loss.backward()
    assert outcome.loss == 0


def labels_of_mentions(arrays):
    return torch.from_numpy(arrays["labels"].ravel()[arrays["mention_tokens"]]).long()


def test_graph_to_text_starts_as_masked_language_modelling(views, make_arrays):
    arrays = make_arrays(sentences=6)
    seen = views(arrays)
    outcome = GraphToText(1.0, seen.text.width)(seen)
    labels = labels_of_mentions(arrays)
    masked = labels != -100
    assert masked.any()
    logits = seen.text.vocabulary_logits(seen.mention_states[masked])
    torch.testing.assert_close(outcome.loss, functional.cross_entropy(logits, labels[masked]))


def test_graph_to_text_reads_the_mention_s_own_graph_vector(views, make_arrays):
    arrays = make_arrays(sentences=6)
    seen = views(arrays)
    objective = GraphToText(1.0, seen.text.width)
    torch.nn.init.eye_(objective.context.weight)
    graph = seen.graph
    graph.retain_grad()
    objective(seen).loss.backward()
    batch, labels = seen.batch, labels_of_mentions(arrays)
    for mention in range(len(batch.concepts)):
        start, end = batch.mention_offsets[mention : mention + 2]
        reached = graph.grad[mention].norm() > 0
        assert reached == bool((labels[start:end] != -100).any())


@pytest.mark.parametrize("name", ["alignment", "mention_name", "name_name", "multi_similarity"])
def test_no_contrast_tells_relatives_apart(views, make_arrays, name):
    arrays = make_arrays(sentences=6)
    labels = np.unique(np.concatenate([arrays["node_concept"], arrays["pair_concept"]]))
    one_family = arrays | {"families": np.stack([labels, np.zeros_like(labels)])}
    config = getattr(parse_config({"name": "x", "objectives": {name: {}}}, "x").objectives, name)

    def alone(of):
        seen = views(of)
        objective = config.build(seen.text.width, RELATIONS)
        return objective(seen).loss.item()

    others = {key: value for key, value in arrays.items() if key != "families"}
    assert alone(one_family) < alone(others)
    if name != "multi_similarity":
        assert alone(one_family) == 0
