"""Going on from an aligned model on a graph with other relation types."""

from __future__ import annotations

import pytest
import torch

from bali_platform.base.errors import UsageError
from bali_trainers.batches.spec import DataSpec
from bali_trainers.export import export_model
from bali_trainers.training.config import parse_config
from bali_trainers.training.joint_model import build_task, parameter_groups
from bali_trainers.training.transfer import continue_from_base

OLD = ("ISA", "PART_OF", "TREATS")
NEW = ("CAUSES", "PART_OF", "ISA")


@pytest.fixture
def aligned(settings_text, tiny_model, tmp_path):
    """The folder of a model whose graph encoder has seen ``OLD``, and the task it is from."""

    def make(**sections):
        config = parse_config(settings_text(**sections), "test")
        task = build_task(config, len(OLD)).eval()
        with torch.no_grad():
            for parameter in task.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        spec = DataSpec(
            seed=1,
            corpus=tmp_path,
            corpus_sha="c0",
            graph_version="g0",
            relation_types=OLD,
            tokenizer=tiny_model(),
        )
        export_model(task, config, spec, {}, tmp_path / "aligned")
        return tmp_path / "aligned", task

    return make


@pytest.fixture
def continued(settings_text):
    def make(folder, types=NEW, said=None, **sections):
        sections["model"] = {"base": str(folder), **sections.get("model", {})}
        config = parse_config(settings_text(**sections), "test")
        task = build_task(config, len(types)).eval()
        continue_from_base(task, config, types, (said if said is not None else []).append)
        return task

    return make


def star(relations):
    """A target, and a neighbour for each of the relations, in both directions."""
    torch.manual_seed(0)
    count = 2 * len(relations)
    types = [2 * relation + direction for relation in relations for direction in (0, 1)]
    edges = torch.stack([torch.arange(1, count + 1), torch.zeros(count, dtype=torch.long)])
    return torch.randn(count + 1, 16), edges, torch.tensor(types), torch.tensor([0])


def test_relations_go_on_under_their_names(aligned, continued):
    folder, before = aligned()
    said = []
    after = continued(folder, said=said)
    known = [(OLD.index(name), NEW.index(name)) for name in ("ISA", "PART_OF")]
    old, new = zip(*known, strict=True)
    torch.testing.assert_close(after.graph(*star(new)), before.graph(*star(old)))
    assert said == [f"graph encoder of {folder}: 2 relation types known, 1 new, 1 gone"]
    ours, theirs = after.text.model.state_dict(), before.text.model.state_dict()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_a_new_relation_begins_as_the_mean_of_its_direction(aligned, continued):
    folder, before = aligned()
    table = before.graph.relation.weight
    new = continued(folder).graph.relation.weight
    torch.testing.assert_close(new[0], (table[0] + table[2] + table[4]) / 3)
    torch.testing.assert_close(new[1], (table[1] + table[3] + table[5]) / 3)
    torch.testing.assert_close(new[-1], table[-1])


def test_the_pooling_of_mentions_goes_on(aligned, continued):
    folder, before = aligned(model={"pooling": "attention"})
    after = continued(folder, model={"pooling": "attention"})
    assert before.pooling.query.abs().sum() > 0
    torch.testing.assert_close(after.pooling.query, before.pooling.query)


def test_a_frozen_graph_encoder_does_not_learn(aligned, continued, settings_text):
    folder, _ = aligned()
    task = continued(folder, graph_encoder={"frozen": True})
    trained = {id(p) for group in parameter_groups(task, optimiser()) for p in group["params"]}
    assert not trained & {id(parameter) for parameter in task.graph.parameters()}
    assert {id(p) for p in task.text.model.base_model.encoder.parameters()} <= trained


def optimiser():
    return parse_config({"name": "x"}, "test").optimiser


def test_fresh_is_what_it_says(aligned, continued):
    folder, before = aligned()
    after = continued(folder, types=OLD, graph_encoder={"start": "fresh"})
    assert not torch.equal(after.graph.relation.weight, before.graph.relation.weight)


def test_what_link_prediction_knows_of_relations_goes_on_under_their_names(aligned, continued):
    objectives = {"alignment": {}, "link_prediction": {}}
    folder, before = aligned(objectives=objectives)
    after = continued(folder, objectives=objectives)
    old, new = (task.objectives["link_prediction"].relation for task in (before, after))
    assert old.abs().sum() > 0
    for name in ("ISA", "PART_OF"):
        mine, theirs = 2 * NEW.index(name), 2 * OLD.index(name)
        torch.testing.assert_close(new[mine : mine + 2], old[theirs : theirs + 2])
    torch.testing.assert_close(new[0], (old[0] + old[2] + old[4]) / 3)


@pytest.mark.parametrize("kind", ["sage", "gatv2"])
def test_an_encoder_that_adds_to_names_goes_on(aligned, continued, kind):
    section = {"kind": kind, "residual": True}
    folder, before = aligned(graph_encoder=section)
    after = continued(folder, types=OLD, graph_encoder=section)
    torch.testing.assert_close(after.graph(*star([0, 1])), before.graph(*star([0, 1])))


@pytest.mark.parametrize("kind", ["sage", "gatv2"])
def test_an_encoder_without_relations_goes_on_anywhere(aligned, continued, kind):
    section = {"kind": kind} if kind == "sage" else {"kind": kind, "relations": False}
    folder, before = aligned(graph_encoder=section)
    after = continued(folder, graph_encoder=section)
    torch.testing.assert_close(after.graph(*star([0, 1])), before.graph(*star([0, 1])))


def test_a_plain_base_begins_anew(tiny_model, continued):
    said = []
    continued(tiny_model(), said=said)
    assert said == []
    with pytest.raises(UsageError, match=r"frozen = true: .* brings no graph encoder"):
        continued(tiny_model(), graph_encoder={"frozen": True})


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ({"layers": 3}, r"layers = 3, the base's is 2"),
        ({"heads": 4}, r"heads = 4, the base's is 2"),
        ({"kind": "sage"}, r"kind = 'sage', the base's is 'gatv2'"),
        ({"relations": False}, r"relations = False, the base's is True"),
        ({"residual": True}, r"residual = True, the base's is False"),
    ],
)
def test_another_architecture_is_refused(aligned, continued, section, line):
    folder, _ = aligned()
    with pytest.raises(UsageError, match=rf"{line}.*start = 'fresh'"):
        continued(folder, graph_encoder=section)
    continued(folder, graph_encoder={**section, "start": "fresh"})


def test_an_ablation_needs_no_graph_encoder(aligned, continued):
    folder, _ = aligned()
    assert not list(
        continued(folder, graph_encoder={"kind": "mean", "layers": 5}).graph.parameters()
    )
