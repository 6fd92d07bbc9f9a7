"""Learning curves as plain SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import floor, log10

Curve = Sequence[tuple[float, float, float, float]]
"""Step, mean over seeds, least and greatest of the seeds."""

_COLOURS = (
    *("#4e79a7", "#e15759", "#59a14f", "#b07aa1", "#f28e2b"),
    *("#76b7b2", "#9c755f", "#ff9da7", "#bab0ac", "#8a7a00"),
)
_LEFT, _TOP, _WIDTH, _HEIGHT, _LEGEND, _LINE = 56, 36, 460, 240, 220, 18
_STYLE = "font-family='sans-serif' font-size='12' fill='#333'"


def mean_curve(seeds: Sequence[Mapping[float, float]]) -> Curve:
    """Join the curves of some seeds, each a value by step, at the steps that all of them have."""
    steps = sorted(set.intersection(*(set(seed) for seed in seeds))) if seeds else []
    values = ((step, [seed[step] for seed in seeds]) for step in steps)
    return [(step, sum(some) / len(some), min(some), max(some)) for step, some in values]


def draw_curves(title: str, curves: Mapping[str, Curve]) -> str:
    """Draw a line for each name of ``curves``, in a band from the least to the greatest seed."""
    points = [point for curve in curves.values() for point in curve]
    right = max(step for step, *_ in points) or 1
    low, high = min(point[2] for point in points), max(point[3] for point in points)
    high = high if high > low else low + 1

    def place(step: float, value: float) -> str:
        x = _LEFT + _WIDTH * step / right
        return f"{x:.1f},{_TOP + _HEIGHT * (high - value) / (high - low):.1f}"

    height = max(_TOP + _HEIGHT + 40, _TOP + _LINE * (len(curves) + 1))
    width = _LEFT + _WIDTH + _LEGEND
    drawn = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' "
        f"role='img' aria-label='{escape(title, quote=True)}'>",
        "<rect width='100%' height='100%' fill='white'/>",
        _text(_LEFT, _TOP - 14, title),
        *_axes(right, low, high),
    ]
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        dash = f" stroke-dasharray='{3 * (number // len(_COLOURS))}'"
        band = [place(step, most) for step, _, _, most in curve]
        band += [place(step, least) for step, _, least, _ in reversed(curve)]
        line = " ".join(place(step, mean) for step, mean, _, _ in curve)
        y = _TOP + _LINE * number + 8
        x = _LEFT + _WIDTH + 14
        drawn += [
            f"<polygon points='{' '.join(band)}' fill='{colour}' opacity='0.15'/>",
            f"<polyline points='{line}' fill='none' stroke='{colour}' stroke-width='1.6'{dash}/>",
            f"<path d='M{x} {y}h20' stroke='{colour}' stroke-width='3'{dash}/>",
            _text(x + 26, y + 4, name),
        ]
    return "\n".join([*drawn, "</svg>"]) + "\n"


def _axes(right: float, low: float, high: float) -> Iterator[str]:
    bottom = _TOP + _HEIGHT
    for value in _ticks(low, high):
        y = _TOP + _HEIGHT * (high - value) / (high - low)
        yield f"<path d='M{_LEFT} {y:.1f}h{_WIDTH}' stroke='#ddd'/>"
        yield _text(_LEFT - 8, y + 4, f"{value:g}", "end")
    for value in _ticks(0, right):
        x = _LEFT + _WIDTH * value / right
        yield f"<path d='M{x:.1f} {bottom}v5' stroke='#999'/>"
        yield _text(x, bottom + 18, f"{value:g}", "middle")
    yield _text(_LEFT + _WIDTH / 2, bottom + 34, "step", "middle")


def _ticks(low: float, high: float) -> list[float]:
    """Return some four to eight round numbers between two."""
    unit = 10 ** floor(log10(high - low))
    unit = next(u for u in (unit / 5, unit / 2, unit, unit * 2) if (high - low) / u <= 8)
    first = -floor(-low / unit)
    count = floor((high - first * unit) / unit + 1e-9) + 1
    return [round((first + number) * unit, 10) for number in range(count)]


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'"
    return f"<text {place} {_STYLE}>{escape(text)}</text>"
