"""What an explanation says of a model, held against the model."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from torch.nn import functional

from bali_platform.base.errors import BaliError
from bali_platform.graph.records import Concept
from bali_platform.graph.vectors import Similar
from bali_platform.subgraphs import Edge, Lookup, Neighbourhood
from bali_trainers.batches.spec import DataSpec
from bali_trainers.export import export_model
from bali_trainers.inference.explain import Explainer, Span, page
from bali_trainers.inference.explain.attention import encode_with_attention
from bali_trainers.models.graph import build_graph_encoder
from bali_trainers.training.config import GraphEncoderConfig, parse_config
from bali_trainers.training.joint_model import build_task

TYPES = ("ISA", "TREATS")
TEXT = "w1 w2 treats <w3> & w4"
FIRST, SECOND = Span(0, 5, "A"), Span(13, 17, "B")


EDGES = {
    "A": (Edge("C", "ISA", True), Edge("B", "TREATS", True), Edge("C", "UNHEARD_OF", True)),
    "B": (Edge("A", "TREATS", False),),
    "C": (Edge("A", "ISA", False),),
}


class Source:
    """Three concepts and what joins them; OLD is a retired name of A."""

    graph_version = "g0"

    def neighbourhoods(self, cuis):
        live = {cui: "A" if cui == "OLD" else cui for cui in cuis}
        found = {
            cui: Neighbourhood(to, (f"w{ord(to)}"[:2],), EDGES[to])
            for cui, to in live.items()
            if to in EDGES
        }
        return Lookup(found, tuple(cui for cui in cuis if cui not in found))

    def names(self, cuis):
        return {cui: (f"w{ord(cui) - 60}", "w9") for cui in cuis}


@pytest.fixture
def model(settings_text, tiny_model, tmp_path):
    def make(**graph_encoder):
        layers = {"layers": 2} if graph_encoder.get("kind", "gatv2") == "gatv2" else {}
        config = parse_config(
            {**settings_text(), "graph_encoder": {**layers, **graph_encoder}}, "test"
        )
        linearised = config.graph_encoder.kind == "linearised"
        spec = DataSpec(
            seed=1,
            corpus=tmp_path,
            corpus_sha="c0",
            graph_version="g0",
            relation_types=TYPES,
            tokenizer=tiny_model(),
            max_length=12,
            encoder="linearised" if linearised else "graph",
        )
        export_model(build_task(config, len(TYPES)), config, spec, {}, tmp_path / "model")
        return tmp_path / "model"

    return make


def test_attention_is_that_of_the_paper():
    torch.manual_seed(3)
    config = GraphEncoderConfig(layers=1, heads=2)
    graph = build_graph_encoder(config, 8, 2).eval()
    nodes, edges = torch.randn(4, 8), torch.tensor([[1, 2, 3], [0, 0, 1]])
    types, targets = torch.tensor([0, 3, 1]), torch.tensor([0, 1])
    vectors, attention = encode_with_attention(graph, nodes, edges, types, targets)
    torch.testing.assert_close(vectors, graph(nodes, edges, types, targets))

    layer = graph.layers[0].convolution
    mapped = layer.lin_l(nodes)
    senders = [(1, 0), (2, 3), (0, 4)]  # into node 0: (node, edge type), its own edge last
    shares = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        scores = [
            functional.leaky_relu(
                (mapped[node] + mapped[0] + layer.lin_edge(graph.relation.weight[kind]))[part], 0.2
            )
            @ layer.att[0, head]
            for node, kind in senders
        ]
        shares.append(torch.stack(scores).softmax(0))
    wanted = torch.stack(shares).mean(0)
    torch.testing.assert_close(attention[0, [0, 1, 3]], wanted)


def test_edges_are_as_stored_and_shares_sum_to_one(model):
    explanation = Explainer(model(), Source()).explain(TEXT, [FIRST, SECOND], neighbours=4)
    first, second = explanation.mentions
    assert {(e.source, e.type, e.target, e.into) for e in first.edges} == {
        ("A", "ISA", "C", "A"),
        ("A", "TREATS", "B", "A"),
    }
    assert [(e.source, e.type, e.target, e.into) for e in second.edges] == [
        ("A", "TREATS", "B", "B")
    ]
    assert second.edges[0].neighbour == "A"
    for mention in (first, second):
        layers = np.array([mention.own, *(edge.attention for edge in mention.edges)])
        assert layers.shape[1] == 2
        np.testing.assert_allclose(layers.sum(0), 1, rtol=1e-5)
        shares = [edge.share for edge in mention.edges]
        assert shares == sorted(shares, reverse=True)


def test_vectors_are_those_of_training(model, tiny_model):
    folder = model()
    explainer = Explainer(folder, Source())
    explanation = explainer.explain(TEXT, [FIRST, SECOND])
    ids = torch.tensor(explainer._pieces.encode([TEXT], 12).ids).long()
    with torch.no_grad():
        states = explainer._text(ids, torch.ones_like(ids))[0]
    # [CLS] w1 w2 treats < w3 > & w4 [SEP]
    for mention, columns in zip(explanation.mentions, ([1, 2], [4, 5, 6]), strict=True):
        wanted = functional.normalize(states[columns].mean(0), dim=0)
        np.testing.assert_allclose(mention.vector, wanted, rtol=1e-4, atol=1e-6)
    assert explanation.cosines.shape == (2, 2)


def test_what_is_cut_off_or_unknown_is_named(model):
    spans = [Span(0, 5, "OLD"), Span(6, 12, "GONE"), Span(60, 62, "B")]
    explanation = Explainer(model(), Source()).explain(f"{TEXT}{' w5' * 40}", spans)
    assert [mention.span for mention in explanation.mentions] == [Span(0, 5, "A")]
    assert explanation.lost == (Span(6, 12, "GONE"), Span(60, 62, "B"))
    with pytest.raises(BaliError, match="mentions no concept"):
        Explainer(model(), Source()).explain(TEXT, [Span(6, 12, "GONE")])


@pytest.mark.parametrize("kind", ["mean", "none", "sage", "linearised"])
def test_encoders_without_attention_are_explained_without(model, kind):
    explanation = Explainer(model(kind=kind), Source()).explain(TEXT, [FIRST, SECOND])
    assert all(not mention.own for mention in explanation.mentions)
    html = page(explanation, concepts(), model="m", graph_version="g0")
    assert "weighs them all alike" in html


def test_a_plain_model_is_refused(tiny_model):
    with pytest.raises(BaliError, match="has no graph encoder"):
        Explainer(tiny_model(), Source())


def concepts():
    return {
        cui: Concept(
            cui, f"name <{cui}>", (), "Defined & so on.", ("Thing",), ("Disorder",), (), False
        )
        for cui in "ABC"
    }


class Page(HTMLParser):
    """Checks that tags are closed, and collects what matters."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.targets, self.ids, self.loads, self.text = [], [], [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.loads += [values[name] for name in ("src", "xlink:href") if name in values]
        if tag == "link":
            self.loads.append(values.get("href"))
        if tag == "a":
            self.targets.append(values["href"])
        if "id" in values:
            self.ids.append(values["id"])
        if tag not in ("meta", "rect", "path", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("rect", "path", "circle"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_needs_no_network(model):
    explanation = Explainer(model(), Source()).explain(TEXT, [FIRST, SECOND])
    near = [[Similar("C", "near <one>", (), 0.5)], []]
    html = page(explanation, concepts(), model="my <model>", graph_version="g0", near=near)
    found = Page(html)
    assert found.open == []
    assert found.loads == []
    assert "url(http" not in html
    assert found.targets == ["#m0", "#m1"]
    assert set(found.targets) <= {f"#{name}" for name in found.ids}
    for shown in (TEXT, "my <model>", "name <A>", "near <one>", "treats →", "← treats", "itself"):
        assert shown in found.text
