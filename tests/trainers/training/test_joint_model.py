from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from bali_trainers.batches.batch import Batch
from bali_trainers.batches.layout import Layout
from bali_trainers.objectives.config import ObjectivesConfig
from bali_trainers.training.config import parse_config
from bali_trainers.training.joint_model import build_task, parameter_groups


@pytest.fixture
def build(settings_text):
    def make(relations=3, **sections):
        return build_task(parse_config(settings_text(**sections), "test"), relations)

    return make


def gradients(task):
    return {
        name: parameter.grad.clone()
        for name, parameter in task.named_parameters()
        if parameter.grad is not None
    }


def test_report_is_the_weighted_sum_of_the_objectives(build, make_arrays):
    task = build(objectives={"alignment": {"weight": 2.0}, "mlm": {"weight": 0.5}}).eval()
    report = task(Batch.from_arrays(make_arrays()))
    expected = 2 * report.metrics["alignment/loss"] + 0.5 * report.metrics["mlm/loss"]
    torch.testing.assert_close(report.loss, expected)


def test_objectives_report_what_their_configurations_say(build, make_arrays):
    every = {name: {} for name in ObjectivesConfig.model_fields}
    task = build(objectives=every, data={"mention_texts": True})
    report = task(Batch.from_arrays(make_arrays()))
    assert list(report.metrics) == ObjectivesConfig.model_validate(every).metrics


@pytest.mark.parametrize("name", list(ObjectivesConfig.model_fields))
def test_doubling_a_weight_doubles_its_gradient(build, make_arrays, name):
    batch = Batch.from_arrays(make_arrays(sentences=6))
    found = []
    for weight in (1.0, 2.0):
        task = build(objectives={name: {"weight": weight}}, data={"mention_texts": True}).eval()
        task(batch).loss.backward()
        found.append(gradients(task))
    assert found[0].keys() == found[1].keys()
    assert sum(gradient.abs().sum() for gradient in found[0].values()) > 0
    for name, gradient in found[0].items():
        torch.testing.assert_close(2 * gradient, found[1][name])


@pytest.mark.parametrize("chunk", [1, 3])
def test_gradient_caching_changes_no_gradient(build, make_arrays, chunk):
    arrays = make_arrays(sentences=6)
    every = {name: {} for name in ObjectivesConfig.model_fields}
    found = []
    for size in (0, chunk):
        task = build(objectives=every, data={"mention_texts": True}, run={"chunk": size}).eval()
        report = task(Batch.from_arrays(arrays, Layout(rows=size or None)))
        report.loss.backward()
        found.append((report.loss.detach(), gradients(task)))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("layout", [Layout(part_cost=0), Layout(40), Layout(whole=True)])
def test_parts_change_neither_loss_nor_gradient(build, make_arrays, layout):
    arrays = make_arrays(sentences=6)
    every = {name: {} for name in ObjectivesConfig.model_fields}
    found = []
    for one in (layout, Layout(rows=1)):
        task = build(objectives=every, data={"mention_texts": True}).eval()
        report = task(Batch.from_arrays(arrays, one))
        report.loss.backward()
        found.append((report.loss.detach(), gradients(task)))
    torch.testing.assert_close(found[0], found[1])


def test_mlm_is_the_cross_entropy_of_the_whole_model(build, make_arrays):
    task = build(objectives={"mlm": {}}).eval()
    arrays = make_arrays()
    ids, labels = torch.tensor(arrays["input_ids"]), torch.tensor(arrays["labels"]).long()
    mask = torch.tensor(arrays["attention_mask"])
    logits = task.text.model(input_ids=ids.long(), attention_mask=mask.long()).logits
    expected = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(task(Batch.from_arrays(arrays)).loss, expected)


def test_no_mention_vector_is_zero_and_each_gets_a_gradient(build, make_arrays):
    task = build(objectives={"alignment": {}}).eval()
    seen = {}
    task.pooling.register_forward_hook(lambda *call: seen.update(vectors=call[2]))
    batch = Batch.from_arrays(make_arrays(sentences=8))
    task.pooling.register_full_backward_hook(lambda *call: seen.update(gradient=call[2][0]))
    task(batch).loss.backward()
    assert (seen["vectors"].norm(dim=1) > 0).all()
    assert (seen["gradient"].norm(dim=1) > 0).all()


def test_names_are_read_once_each(build, make_arrays):
    task = build(objectives={"alignment": {}}).eval()
    arrays = make_arrays()
    rows = []
    task.text.model.base_model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    task(Batch.from_arrays(arrays, Layout(whole=True)))
    assert sorted(rows) == sorted([len(arrays["input_ids"]), len(arrays["name_input_ids"])])


def test_all_that_is_trained_learns(build, make_arrays):
    task = build().train()
    task(Batch.from_arrays(make_arrays())).loss.backward()
    silent = [
        name
        for name, parameter in task.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert silent == []


def test_an_unused_head_is_not_trained(build):
    task = build(objectives={"alignment": {}})
    frozen = {name for name, p in task.text.model.named_parameters() if not p.requires_grad}
    assert frozen
    assert all(name.startswith("cls.") for name in frozen)
    assert task.text.model.get_input_embeddings().weight.requires_grad


def test_parameter_groups_split_by_origin_and_decay(settings_text, tiny_model):
    base = str(tiny_model(headless=True))
    config = parse_config(settings_text(model={"base": base}), "test")
    task = build_task(config, 3)
    groups = parameter_groups(task, config.optimiser)
    assert sum(len(group["params"]) for group in groups) == len(list(task.parameters()))
    rate = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    text, graph = config.optimiser.text_lr, config.optimiser.graph_lr
    model = task.text.model
    assert rate[id(model.get_input_embeddings().weight)] == (text, 0.01)
    assert rate[id(model.bert.embeddings.LayerNorm.bias)] == (text, 0.0)
    assert rate[id(model.cls.predictions.transform.dense.weight)] == (graph, 0.01)
    assert rate[id(task.graph.relation.weight)] == (graph, 0.01)


def test_linearised_subgraphs_are_read_by_the_language_model(build, make_arrays):
    task = build(graph_encoder={"kind": "linearised", "layers": 5}, objectives={"alignment": {}})
    arrays = make_arrays()
    texts = len(arrays["mention_concept"]) + len(arrays["negative_concept"])
    arrays = {k: v for k, v in arrays.items() if not k.startswith(("name_", "edge_", "node_"))}
    arrays["graph_input_ids"] = np.full((texts, 6), 7, np.int32)
    arrays["graph_attention_mask"] = np.ones((texts, 6), np.uint8)
    report = task(Batch.from_arrays(arrays))
    assert report.loss.isfinite()
    assert list(task.graph.parameters()) == []


def test_same_seed_same_weights(build):
    one, two = build().state_dict(), build().state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
