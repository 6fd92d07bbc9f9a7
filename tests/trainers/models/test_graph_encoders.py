"""Graph encoders against plain PyTorch, written without a message-passing library."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from bali_platform.base.errors import UsageError
from bali_trainers.models.graph import build_graph_encoder
from bali_trainers.training.config import GraphEncoderConfig

WIDTH, RELATIONS = 8, 3
BACKENDS = ["pyg", "dgl"]


def graph(seed=0, nodes=9, edges=14):
    generator = torch.Generator().manual_seed(seed)

    def integers(high, *shape):
        return torch.randint(high, shape, generator=generator)

    return (
        torch.randn(nodes, WIDTH, generator=generator),
        integers(nodes, 2, edges),
        integers(2 * RELATIONS, edges),
        integers(nodes, 5),
    )


def encoder(kind, **options):
    torch.manual_seed(1)
    config = GraphEncoderConfig(kind=kind, **options)
    return build_graph_encoder(config, WIDTH, RELATIONS).eval()


def oracle(weights, layers, heads, nodes, edges, types, targets):
    """GATv2 one node at a time, after the paper's equations (Brody et al., 2022)."""
    size = WIDTH // heads
    table = weights.get("relation.weight")
    for number in range(layers):
        own = {
            name.removeprefix(f"layers.{number}.convolution."): value
            for name, value in weights.items()
            if name.startswith(f"layers.{number}.")
        }
        projected = nodes @ own["lin_l.weight"].T + own["lin_l.bias"]
        updated = []
        for node in range(len(nodes)):
            incoming = [
                (int(edges[0, e]), None if table is None else table[types[e]])
                for e in range(edges.shape[1])
                if edges[1, e] == node
            ]
            incoming.append((node, None if table is None else table[-1]))
            heads_out = []
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                scores, values = [], []
                for source, feature in incoming:
                    mixed = projected[source, part] + projected[node, part]
                    if feature is not None:
                        mixed = mixed + (own["lin_edge.weight"] @ feature)[part]
                    mixed = torch.where(mixed > 0, mixed, 0.2 * mixed)
                    scores.append((own["att"][0, head] * mixed).sum())
                    values.append(projected[source, part])
                shares = torch.stack(scores).exp()
                shares = shares / shares.sum()
                heads_out.append((shares[:, None] * torch.stack(values)).sum(0))
            updated.append(torch.cat(heads_out) + own["bias"])
        nodes = torch.stack(updated)
        nodes = nodes * 0.5 * (1 + torch.erf(nodes / math.sqrt(2)))
    chosen = nodes[targets] @ weights["output.0.weight"].T + weights["output.0.bias"]
    centred = chosen - chosen.mean(1, keepdim=True)
    scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    return scaled * weights["output.1.weight"] + weights["output.1.bias"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("relations", [True, False])
def test_gatv2_equals_the_oracle_in_outputs_and_gradients(backend, relations):
    nodes, edges, types, targets = graph()
    network = encoder("gatv2", backend=backend, layers=2, heads=2, relations=relations)
    weights = {
        name: value.detach().clone().requires_grad_() for name, value in network.named_parameters()
    }
    mine, theirs = nodes.clone().requires_grad_(), nodes.clone().requires_grad_()

    output = network(mine, edges, types, targets)
    expected = oracle(weights, 2, 2, theirs, edges, types, targets)
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)

    output.sin().sum().backward()
    expected.sin().sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, weights[name].grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sage_equals_the_formula(backend):
    nodes, edges, types, targets = graph()
    network = encoder("sage", backend=backend, layers=1)
    convolution = network.layers[0].convolution
    means = torch.zeros_like(nodes)
    for node in range(len(nodes)):
        sources = edges[0][edges[1] == node]
        if len(sources):
            means[node] = nodes[sources].mean(0)
    hidden = functional.gelu(convolution.lin_l(means) + convolution.lin_r(nodes))
    expected = network.output(hidden[targets])
    torch.testing.assert_close(network(nodes, edges, types, targets), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compgcn_composes_each_neighbour_with_its_relation(backend):
    nodes, edges, types, targets = graph()
    network = encoder("compgcn", backend=backend, layers=1)
    layer, relation = network.layers[0], network.relation.weight
    means = torch.zeros_like(nodes)
    for node in range(len(nodes)):
        incoming = [e for e in range(edges.shape[1]) if edges[1, e] == node]
        said = [nodes[edges[0, e]] * (1 + relation[types[e]]) for e in incoming]
        means[node] = sum(said, torch.zeros(WIDTH)) / max(len(said), 1)
    hidden = functional.gelu(layer.lin_l(means) + layer.lin_r(nodes))
    expected = network.output(hidden[targets])
    torch.testing.assert_close(network(nodes, edges, types, targets), expected)


@pytest.mark.parametrize("kind", ["gatv2", "sage", "compgcn"])
def test_weights_move_between_backends_without_changing_the_result(kind):
    nodes, edges, types, targets = graph()
    one, other = (encoder(kind, backend=backend, layers=3) for backend in BACKENDS)
    before = one(nodes, edges, types, targets)
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other(nodes, edges, types, targets), before)
    for parameter in one.parameters():
        parameter.data.add_(0.1)
    one.load_state_dict(other.state_dict())
    torch.testing.assert_close(one(nodes, edges, types, targets), before)


def test_backends_draw_their_weights_alike():
    torch.manual_seed(0)
    one, other = (
        build_graph_encoder(GraphEncoderConfig(backend=backend, layers=1), 256, RELATIONS)
        for backend in BACKENDS
    )
    theirs = dict(other.named_parameters())
    for name, parameter in one.named_parameters():
        torch.testing.assert_close(theirs[name].std(), parameter.std(), rtol=0.2, atol=1e-6)


def test_neighbour_mean_equals_a_loop():
    nodes, edges, types, targets = graph()
    alone = len(nodes)
    nodes, targets = torch.cat([nodes, nodes[:1] + 1]), torch.cat([targets, torch.tensor([alone])])
    around = [nodes[edges[0][edges[1] == t]] for t in targets]
    expected = [(nodes[t] + some.mean(0)) / 2 for t, some in zip(targets, around, strict=True)]
    expected[-1] = nodes[alone]
    found = encoder("mean")(nodes, edges, types, targets)
    torch.testing.assert_close(found, torch.stack(expected))


def test_no_graph_is_the_name_alone():
    nodes, edges, types, targets = graph()
    assert torch.equal(encoder("none")(nodes, edges, types, targets), nodes[targets])


@pytest.mark.parametrize(
    ("kind", "options", "relational"),
    [
        ("gatv2", {"layers": 2}, True),
        ("gatv2", {"layers": 2, "relations": False}, False),
        ("sage", {"layers": 2}, False),
        ("compgcn", {"layers": 2}, True),
        ("mean", {}, False),
        ("none", {}, False),
    ],
)
def test_relation_labels_reach_relational_encoders_only(kind, options, relational):
    nodes, edges, types, targets = graph()
    network = encoder(kind, **options)
    before = network(nodes, edges, types, targets)
    after = network(nodes, edges, types.flip(0), targets)
    assert torch.allclose(before, after) != relational


def test_direction_matters():
    nodes, edges, types, targets = graph()
    network = encoder("gatv2", layers=1)
    assert not torch.allclose(
        network(nodes, edges, types, targets), network(nodes, edges, types ^ 1, targets)
    )


@pytest.mark.parametrize("kind", ["gatv2", "compgcn"])
def test_every_parameter_of_the_network_learns(kind):
    nodes, edges, types, targets = graph()
    network = encoder(kind, layers=3)
    network(nodes, edges, types, targets).sin().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("kind", ["gatv2", "sage", "compgcn"])
def test_a_residual_network_starts_from_the_name_and_adds_to_it(kind):
    inputs = graph()
    own = inputs[0][inputs[3]]
    plain, residual = encoder(kind, layers=2), encoder(kind, layers=2, residual=True)
    found = residual(*inputs)
    assert torch.equal(found, own)
    found.sin().sum().backward()
    assert residual.scale.grad.abs().min() > 0
    nn.init.constant_(residual.scale, 0.5)
    torch.testing.assert_close(residual(*inputs), own + plain(*inputs) / 2)


def test_a_graph_without_edges():
    nodes, _, _, targets = graph()
    nothing = torch.empty(2, 0, dtype=torch.long), torch.empty(0, dtype=torch.long)
    for kind in ("gatv2", "sage", "compgcn", "mean", "none"):
        assert encoder(kind)(nodes, *nothing, targets).isfinite().all()


def test_order_of_edges_does_not_matter():
    nodes, edges, types, targets = graph()
    order = torch.randperm(len(types), generator=torch.Generator().manual_seed(0))
    network: nn.Module = encoder("gatv2", layers=2)
    torch.testing.assert_close(
        network(nodes, edges, types, targets),
        network(nodes, edges[:, order], types[order], targets),
    )


def test_heads_must_divide_the_width():
    with pytest.raises(UsageError, match="heads = 3 does not divide the model's width 8"):
        encoder("gatv2", heads=3)
