"""An explanation as one page that needs nothing but a browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

from bali_platform.graph.records import Concept, Link, Node
from bali_platform.graph.vectors import Similar
from bali_platform.subgraphs.picture import colour, draw
from bali_platform.subgraphs.subgraph import Subgraph
from bali_trainers.inference.explain.explanation import Explained, Explanation, Weighed

WITH_ATTENTION = (
    "Neighbours drawn as in training. The wider an edge, the more of the attention of the concept "
    "that it leads into, in the mean over layers and heads."
)
WITHOUT_ATTENTION = "Neighbours drawn as in training. This encoder weighs them all alike."
BARS = (
    "For each concept, the share of attention that goes to itself and to each drawn neighbour; "
    "the small bars are the layers, first to last."
)
LONGEST = 320


def page(
    explanation: Explanation,
    concepts: Mapping[str, Concept],
    *,
    model: str,
    graph_version: str,
    near: Sequence[Sequence[Similar]] | None = None,
) -> str:
    """Return the HTML text.

    Args:
        explanation: What to show.
        concepts: Every concept that was drawn, by CUI.
        model: What to call the model.
        graph_version: Of the graph that it looked at.
        near: For each mention the concepts nearest to it by name; None where the graph has no
            vectors of this model.
    """
    attentive = any(mention.own for mention in explanation.mentions)
    template = Template(files(__package__).joinpath("page.html").read_text("utf-8"))
    hues = [colour(concepts[m.span.cui].groups) for m in explanation.mentions]
    cards = (
        _card(number, mention, explanation, concepts, hue, near[number] if near else None)
        for number, (mention, hue) in enumerate(zip(explanation.mentions, hues, strict=True))
    )
    return template.substitute(
        title=escape(_cut(explanation.text, 70)),
        model=escape(model),
        graph=escape(graph_version),
        sentence=_sentence(explanation, hues),
        lost=_lost(explanation),
        subgraph_note=WITH_ATTENTION if attentive else WITHOUT_ATTENTION,
        picture=_picture(explanation, concepts, graph_version),
        mentions_note=BARS if attentive else "",
        cards="\n".join(cards),
        matrix=_matrix(explanation),
        footer=_footer(near is not None),
    )


def _sentence(explanation: Explanation, hues: Sequence[str]) -> str:
    text, parts, end = explanation.text, [], 0
    order = sorted(enumerate(explanation.mentions), key=lambda item: item[1].span.start)
    for number, mention in order:
        span = mention.span
        if span.start < end:
            continue
        parts.append(escape(text[end : span.start]))
        parts.append(
            f'<a href="#m{number}" style="--c:{hues[number]}" '
            f'title="{escape(_named(explanation, span.cui))}">'
            f"{escape(text[span.start : span.end])}</a>"
        )
        end = span.end
    return "".join([*parts, escape(text[end:])])


def _lost(explanation: Explanation) -> str:
    if not explanation.lost:
        return ""
    spans = (f"“{escape(explanation.text[m.start : m.end])}”" for m in explanation.lost)
    return f'<p class="note">Not read, because cut off or unknown: {", ".join(spans)}.</p>'


def _picture(explanation: Explanation, concepts: Mapping[str, Concept], graph_version: str) -> str:
    starts = {mention.span.cui for mention in explanation.mentions}
    edges = [edge for mention in explanation.mentions for edge in mention.edges]
    near = {edge.neighbour for edge in edges if edge.into in starts}
    nodes = (
        Node(c.cui, c.name, c.semantic_types, c.groups, _hop(c.cui, starts, near))
        for cui in explanation.names
        if (c := concepts[cui])
    )
    weights = {Link(e.source, e.target, e.type): e.share for e in edges}
    subgraph = Subgraph(
        tuple(sorted(nodes, key=lambda node: (node.hop, node.cui))),
        tuple(weights),
        (),
        graph_version,
    )
    return draw(subgraph, weights if any(weights.values()) else None)


def _hop(cui: str, starts: set[str], near: set[str]) -> int:
    return 0 if cui in starts else 1 if cui in near else 2


def _card(
    number: int,
    mention: Explained,
    explanation: Explanation,
    concepts: Mapping[str, Concept],
    hue: str,
    near: Sequence[Similar] | None,
) -> str:
    concept = concepts[mention.span.cui]
    text = explanation.text[mention.span.start : mention.span.end]
    types = ", ".join(concept.semantic_types)
    about = _cut(concept.definition or "", LONGEST)
    return f"""<section class="card" id="m{number}" style="--c:{hue}">
<h3>{escape(concept.name)} <span class="code">{escape(concept.cui)}</span></h3>
<div class="meta">“{escape(text)}”{escape(f", {types}" if types else "")}</div>
{f'<p class="about">{escape(about)}</p>' if about else ""}
<h4>{"Attention" if mention.own else "Neighbours"}</h4>
<ol>{_bars(mention, explanation)}</ol>
{_near(near)}
</section>"""


def _bars(mention: Explained, explanation: Explanation) -> str:
    peak = max(
        (*mention.own, *(part for edge in mention.edges for part in edge.attention)), default=1
    )
    own = [_bar("itself", "", mention.own, peak)] if mention.own else []
    edges = (_edge(edge, explanation, peak) for edge in mention.edges)
    return "".join([*own, *edges])


def _edge(edge: Weighed, explanation: Explanation, peak: float) -> str:
    spoken = edge.type.lower().replace("_", " ")
    arrow = f"{spoken} →" if edge.into == edge.source else f"← {spoken}"
    return _bar(_named(explanation, edge.neighbour), arrow, edge.attention, peak)


def _bar(name: str, relation: str, attention: Sequence[float], peak: float) -> str:
    """Write a row: the mean of its attention as a bar, that of each layer as a small one."""
    label = f'<span class="relation">{escape(relation)}</span> {escape(name)}'
    if not attention:
        return f'<li class="edge"><div>{label}</div></li>'
    share = sum(attention) / len(attention)
    layers = "".join(f'<i style="height:{14 * part / peak:.1f}px"></i>' for part in attention)
    return (
        f'<li class="edge"><div>{label} <span class="layers">{layers}</span></div>'
        f'<div class="number">{share:.0%}</div>'
        f'<div class="track"><i style="width:{share:.1%}"></i></div></li>'
    )


def _near(near: Sequence[Similar] | None) -> str:
    if near is None:
        return ""
    rows = "".join(
        f'<li class="near"><span>{escape(one.name)}</span>'
        f'<span class="number">{one.cosine:.2f}</span></li>'
        for one in near
    )
    return f"<h4>Nearest concepts by name</h4><ol>{rows}</ol>"


def _matrix(explanation: Explanation) -> str:
    labels = [explanation.text[m.span.start : m.span.end] for m in explanation.mentions]
    names = [_named(explanation, m.span.cui) for m in explanation.mentions]
    head = "".join(f"<th>{escape(_cut(name, 40))}</th>" for name in names)
    body = "".join(
        f"<tr><th>{escape(_cut(label, 40))}</th>{_cells(number, row)}</tr>"
        for number, (label, row) in enumerate(zip(labels, explanation.cosines, strict=True))
    )
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(own: int, row: Iterable[float]) -> str:
    return "".join(
        f'<td class="{"own" if column == own else "other"}" style="background:'
        f"color-mix(in srgb, var(--bar) {max(0.0, float(value)):.0%}, white)"
        f'{";color:white" if value > 0.6 else ""}">{value:.2f}</td>'
        for column, value in enumerate(row)
    )


def _footer(with_near: bool) -> str:
    linked = (
        "Every mention is linked to a concept that bears its name; where several do, to the one "
        "whose preferred name is nearest to it. "
    )
    if with_near:
        return f"{linked}Nearest concepts are by the vectors that <code>bali embed</code> wrote."
    return f"{linked}After <code>bali embed</code> with this model, nearest concepts are shown."


def _named(explanation: Explanation, cui: str) -> str:
    return explanation.names.get(cui, cui)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
