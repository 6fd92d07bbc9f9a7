"""Bar charts as plain SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from math import log10

COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#9c9c9c")
LEFT, TOP, HEIGHT, STEP, BAR = 60, 40, 260, 92, 60
STYLE = "font-family='sans-serif' font-size='12' fill='#333'"


def stacked_bars(bars: Mapping[str, Mapping[str, float]], title: str) -> str:
    """Draw a stacked bar for each label of ``bars``; a label may have several lines.

    The parts of the bars are coloured by name, in the order of their first appearance.
    """
    names = list(dict.fromkeys(name for parts in bars.values() for name in parts))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    highest = max(sum(parts.values()) for parts in bars.values())
    width = LEFT + STEP * len(bars) + 110
    drawn = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {TOP + HEIGHT + 50}' "
        f"width='{width}'>",
        "<rect width='100%' height='100%' fill='white'/>",
        _text(LEFT, TOP - 18, title),
        *_axis(highest, LEFT + STEP * len(bars)),
    ]
    for place, (label, parts) in enumerate(bars.items()):
        drawn += _bar(LEFT + 16 + STEP * place, label, parts, colours, HEIGHT / highest)
    for place, name in enumerate(reversed(names)):
        x, y = width - 100, TOP + 10 + 20 * place
        drawn += [_rectangle(x, y, 12, 12, colours[name]), _text(x + 18, y + 11, name)]
    return "\n".join([*drawn, "</svg>"]) + "\n"


def _axis(highest: float, right: float) -> Iterator[str]:
    unit = 10 ** int(log10(highest) // 1)
    unit = next(u for u in (unit / 5, unit / 2, unit, unit * 2) if highest / u <= 8)
    for tick in range(int(highest / unit) + 1):
        y = TOP + HEIGHT - tick * unit * HEIGHT / highest
        yield f"<path d='M{LEFT} {y:.1f}H{right:.1f}' stroke='#ddd'/>"
        yield _text(LEFT - 8, y + 4, f"{tick * unit:g}", "end")


def _bar(
    x: float, label: str, parts: Mapping[str, float], colours: Mapping[str, str], scale: float
) -> Iterator[str]:
    y = float(TOP + HEIGHT)
    for name, value in parts.items():
        y -= value * scale
        yield _rectangle(x, y, BAR, value * scale, colours[name])
    yield _text(x + BAR / 2, y - 5, f"{sum(parts.values()):.1f}", "middle")
    for line, text in enumerate(label.split("\n")):
        yield _text(x + BAR / 2, TOP + HEIGHT + 16 * (line + 1), text, "middle")


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}'"
    return f"<rect {place} fill='{colour}'/>"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'"
    return f"<text {place} {STYLE}>{escape(text)}</text>"
