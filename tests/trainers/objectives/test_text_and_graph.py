from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bali_trainers.batch import Batch
from bali_trainers.config import parse_config
from bali_trainers.objectives import GraphToText, TextToGraph
from bali_trainers.task import build_task
from bali_trainers.views import Views

RELATIONS = 3


@pytest.fixture
def views(settings_text, make_arrays):
    def make(arrays=None, **sections):
        config = parse_config(settings_text(**sections), "test")
        task = build_task(config, RELATIONS).eval()
        batch = Batch.from_arrays(arrays or make_arrays(sentences=6))
        return Views(batch, task.text, task.pooling, task.graph)

    return make


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
            if node == source or (node != target and graph.node_name[node].item() not in right)
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
    arrays = make_arrays()
    arrays = arrays | {
        "edge_index": arrays["edge_index"][:, :0],
        "edge_type": arrays["edge_type"][:0],
    }
    seen = views(arrays)
    outcome = TextToGraph(1.0, seen.text.width, RELATIONS)(seen)
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
