"""Subgraphs as SVG pictures that need nothing but a browser."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from bali_platform.base.errors import UsageError
from bali_platform.graph.records import Link, Node
from bali_platform.graph.semantic_groups import SEMANTIC_GROUPS

if TYPE_CHECKING:
    import networkx

    from bali_platform.subgraphs.subgraph import Subgraph


MAX_DRAWN = 400
"""Concepts that a picture may show."""

_PALETTE = (
    "#f2b33d", "#d9694e", "#4c8bd0", "#9aa3b2", "#7f6fc4", "#e0577a", "#2fa39a", "#8fae3c",
    "#5fae62", "#b08a5b", "#6b87a8", "#a86ba8", "#3bb0c9", "#c9824a", "#8a7fdc",
)  # fmt: skip
_PLAIN = "#9aa3b2"

COLOURS = {group.label: colour for group, colour in zip(SEMANTIC_GROUPS, _PALETTE, strict=True)}
"""The colour of each semantic group, by label."""

_RADII = (22.0, 14.0, 9.0)
_FONTS = (14.0, 11.5, 10.0)
_MARGIN = 110.0
_SMALLEST = 2 * _MARGIN, 140.0
_LONGEST_LABEL = 34
_MOST_EDGE_LABELS = 60
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_STYLE = """
  text { font-family: "Inter", "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #1f2733;
         paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; }
  .edge { stroke: #b4bcc9; stroke-width: 1.3px; fill: none; }
  .type { font-size: 9px; fill: #68738a; text-anchor: middle; }
  .name { text-anchor: middle; }
  .node { stroke: #ffffff; stroke-width: 2px; }
  .start { stroke: #1f2733; stroke-width: 2.5px; font-weight: 600; }
  .key { font-size: 11px; }
"""

Place = tuple[float, float]


def draw(subgraph: Subgraph, weights: Mapping[Link, float] | None = None) -> str:
    """Return the SVG text; raises :class:`UsageError` for more than ``MAX_DRAWN`` concepts.

    With ``weights``, from 0 to 1, edges are drawn wider and darker the more they weigh.
    """
    if len(subgraph.nodes) > MAX_DRAWN:
        raise UsageError(
            f"{len(subgraph.nodes)} concepts are too many for a picture: "
            f"take fewer hops or a smaller fan-out, to at most {MAX_DRAWN}"
        )
    width, height, places = _layout(subgraph)
    parts = [
        *_edges(subgraph, places, weights),
        *_circles(subgraph.nodes, places),
        *_names(subgraph.nodes, places),
        *_key(subgraph.nodes, height),
    ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="{len(subgraph.nodes)} concepts, {len(subgraph.edges)} edges">\n'
        f"<style>{_STYLE}</style>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" '
        'markerWidth="9" markerHeight="9" orient="auto"><path d="M0 0 L8 4 L0 8 z" '
        'fill="#b4bcc9"/></marker></defs>\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f"{body}\n</svg>\n"
    )


def _layout(subgraph: Subgraph) -> tuple[float, float, dict[str, Place]]:
    """Return the picture's width and height in pixels, and where each concept lies.

    What is connected is laid out together; such parts stand side by side, in rows.
    """
    import networkx

    graph: networkx.Graph[str] = networkx.Graph()
    graph.add_nodes_from(node.cui for node in subgraph.nodes)
    graph.add_edges_from((edge.source, edge.target) for edge in subgraph.edges)
    parts = [_part(graph, members, subgraph) for members in networkx.connected_components(graph)]
    widest = max(
        1.6 * math.sqrt(sum(width * height for width, height, _ in parts)),
        max((width for width, _, _ in parts), default=_SMALLEST[0]),
    )
    places: dict[str, Place] = {}
    left = top = right = bottom = 0.0
    for width, height, own in parts:
        if left + width > widest:
            left, top = 0.0, bottom
        places |= {cui: (left + x, top + y) for cui, (x, y) in own.items()}
        left, right, bottom = left + width, max(right, left + width), max(bottom, top + height)
    key = 24.0 * bool(subgraph.nodes)
    return max(right, _SMALLEST[0]), max(bottom, _SMALLEST[1]) + key, places


def _part(
    graph: networkx.Graph[str], members: set[str], subgraph: Subgraph
) -> tuple[float, float, dict[str, Place]]:
    """Lay out concepts that are connected; return width, height and places."""
    import networkx

    nodes = [node for node in subgraph.nodes if node.cui in members]
    if len(nodes) == 1:
        return *_SMALLEST, {nodes[0].cui: (_SMALLEST[0] / 2, _SMALLEST[1] / 2)}
    # Starting from rings by hop, the springs have little left to do and always do the same.
    springs = networkx.spring_layout(
        graph.subgraph(members),
        pos=_rings(nodes),
        k=1.6 / math.sqrt(len(nodes)),
        iterations=80,
        seed=1,
    )
    size = 230 + 120 * math.sqrt(len(nodes))
    width, height = 1.35 * size, size
    xs = _spread([float(place[0]) for place in springs.values()], width)
    ys = _spread([float(place[1]) for place in springs.values()], height)
    return width, height, dict(zip(springs, zip(xs, ys, strict=True), strict=True))


def _rings(nodes: Iterable[Node]) -> dict[str, Place]:
    rings: dict[int, list[str]] = {}
    for node in nodes:
        rings.setdefault(node.hop, []).append(node.cui)
    places = {}
    for hop, members in rings.items():
        radius = hop + (0.25 if hop == 0 and len(members) > 1 else 0.0)
        for number, cui in enumerate(members):
            angle = 2 * math.pi * number / len(members) + 0.4 * hop
            places[cui] = radius * math.cos(angle), radius * math.sin(angle)
    return places


def _spread(values: list[float], size: float) -> list[float]:
    """Stretch coordinates over ``size`` pixels less the margins."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if high - low < 1e-9:
        return [size / 2] * len(values)
    scale = (size - 2 * _MARGIN) / (high - low)
    return [_MARGIN + (value - low) * scale for value in values]


def _edges(
    subgraph: Subgraph, places: dict[str, Place], weights: Mapping[Link, float] | None
) -> list[str]:
    types: dict[tuple[str, str], list[str]] = {}
    heaviest: dict[tuple[str, str], float] = {}
    for edge in subgraph.edges:
        ends = edge.source, edge.target
        types.setdefault(ends, []).append(edge.type)
        if weights is not None:
            heaviest[ends] = max(weights[edge], heaviest.get(ends, 0.0))
    hops = {node.cui: node.hop for node in subgraph.nodes}
    parts = []
    for (source, target), names in types.items():
        (x1, y1), (x2, y2) = places[source], places[target]
        length = math.hypot(x2 - x1, y2 - y1) or 1.0
        dx, dy = (x2 - x1) / length, (y2 - y1) / length
        start, end = _radius(hops[source]) + 1, length - _radius(hops[target]) - 3
        # Edges both ways between two concepts bend apart.
        bend = 14.0 if (target, source) in types else 0.0
        mx, my = (x1 + x2) / 2 - dy * bend, (y1 + y2) / 2 + dx * bend
        parts.append(
            f'<path class="edge"{_stroke(heaviest.get((source, target)))} '
            f'marker-end="url(#tip)" d="M{x1 + dx * start:.1f} '
            f"{y1 + dy * start:.1f} Q{mx:.1f} {my:.1f} {x1 + dx * end:.1f} "
            f'{y1 + dy * end:.1f}"/>'
        )
        if len(types) <= _MOST_EDGE_LABELS:
            angle = math.degrees(math.atan2(dy, dx))
            turned = angle if -90 <= angle <= 90 else angle - 180
            text = ", ".join(name.lower().replace("_", " ") for name in names)
            parts.append(
                f'<text class="type" transform="translate({mx:.1f} {my - 3:.1f}) '
                f'rotate({turned:.1f})">{_clean(_shortened(text))}</text>'
            )
    return parts


def _stroke(weight: float | None) -> str:
    if weight is None:
        return ""
    return f' style="stroke-width:{1 + 7 * weight:.1f}px;stroke-opacity:{0.35 + 0.65 * weight:.2f}"'


def _circles(nodes: Iterable[Node], places: dict[str, Place]) -> list[str]:
    parts = []
    for node in nodes:
        x, y = places[node.cui]
        kind = "node start" if node.hop == 0 else "node"
        details = f"{node.name} ({node.cui})\n{', '.join(node.semantic_types)}"
        parts.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{_radius(node.hop):.0f}" '
            f'fill="{colour(node.groups)}"><title>{_clean(details)}</title></circle>'
        )
    return parts


def _names(nodes: tuple[Node, ...], places: dict[str, Place]) -> list[str]:
    """Write each name below its circle, or as little lower as keeps it clear of other names."""
    taken: list[tuple[float, float, float, float]] = []
    parts = []
    crowded = len(nodes) > MAX_DRAWN // 3
    for node in sorted(nodes, key=lambda node: (node.hop, places[node.cui][1])):
        if crowded and node.hop > 1:
            continue
        font = _FONTS[min(node.hop, 2)]
        label = _shortened(node.name)
        x, y = places[node.cui]
        y += _radius(node.hop) + font
        half = 0.28 * font * len(label)
        lowest = y + 4 * font
        while y < lowest and any(
            abs(x - ox) < half + other and abs(y - oy) < (font + tall) / 2 + 1
            for ox, oy, other, tall in taken
        ):
            y += 2
        taken.append((x, y, half, font))
        weight = ' font-weight="600"' if node.hop == 0 else ""
        parts.append(
            f'<text class="name" x="{x:.1f}" y="{y:.1f}" font-size="{font}"{weight}>'
            f"{_clean(label)}</text>"
        )
    return parts


def _key(nodes: Iterable[Node], height: float) -> list[str]:
    """List the semantic groups shown, with their colours, along the lower edge."""
    x, parts = 16.0, []
    shown = {node.groups[0] if node.groups else "Concept" for node in nodes}
    for label in sorted(shown):
        parts.append(
            f'<circle cx="{x + 5:.0f}" cy="{height - 16:.0f}" r="5" '
            f'fill="{COLOURS.get(label, _PLAIN)}"/>'
            f'<text class="key" x="{x + 15:.0f}" y="{height - 12:.0f}">{_clean(label)}</text>'
        )
        x += 34 + 6.4 * len(label)
    return parts


def _radius(hop: int) -> float:
    return _RADII[min(hop, 2)]


def colour(groups: Sequence[str]) -> str:
    """Return the colour of a concept of these semantic groups: the first one's."""
    return COLOURS.get(groups[0], _PLAIN) if groups else _PLAIN


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1].rstrip() + "…"


def _clean(text: str) -> str:
    return escape(_NOT_XML.sub("", text))
