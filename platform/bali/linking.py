"""What texts mention, by the names of a graph, in Python and for the REST API."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TypedDict, Unpack, overload

from bali_loaders.linking import LinkOptions, Preset, TextLinker, chosen_options, graph_linker
from bali_platform.base.settings import load_settings
from bali_platform.graph import Graph

MAX_CHOICES = 16
"""Linkers kept at once, one for each choice of options; they share the graph's names."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a text, and what it means there.

    Attributes:
        start: Its first character, by code points.
        end: The character after its last one.
        alternatives: CUIs of other concepts of that name, the likelier first.
        score: How sure the choice among them is, 0 to 1.
        attributes: Which of negated, uncertain, historical, family and hypothetical it is.
        section: The kind of section that it stands in; empty outside of all.
    """

    start: int
    end: int
    text: str
    cui: str
    name: str
    alternatives: tuple[str, ...]
    score: float
    attributes: tuple[str, ...]
    section: str


@dataclass(frozen=True, slots=True)
class OmittedMention:
    """A name that was left out, as no concept was sure enough; candidates are CUIs, best first."""

    start: int
    end: int
    text: str
    candidates: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True)
class LinkedText:
    """What was found in one text, in reading order, and what was left out."""

    mentions: list[Mention]
    omitted: list[OmittedMention]


class Filters(TypedDict, total=False):
    """What concepts must have, one value of each kind that is given, and how sure a choice is."""

    types: Collection[str]
    groups: Collection[str]
    sources: Collection[str]
    nil: float


class SharedLinkers:
    """Linkers of the live graph, for many who ask; any thread may.

    The graph's names are opened once, and again when another version of the graph is live.

    Args:
        cache: folder of what is compiled.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._lock = Lock()
        self._version = ""
        self._linkers: dict[LinkOptions, TextLinker] = {}

    def link(self, graph: Graph, texts: Sequence[str], options: LinkOptions) -> list[LinkedText]:
        """Return what each text mentions."""
        linked = self._linker(graph, options).link_all(texts)
        return [
            LinkedText(
                [
                    Mention(one.start, one.end, text[one.start : one.end], *one[2:])
                    for one in found.mentions
                ],
                [
                    OmittedMention(one.start, one.end, text[one.start : one.end], *one[2:])
                    for one in found.omitted
                ],
            )
            for text, found in zip(texts, linked, strict=True)
        ]

    def _linker(self, graph: Graph, options: LinkOptions) -> TextLinker:
        with self._lock:
            if self._version != graph.version:
                self._linkers = {options: graph_linker(graph, self._cache, options)}
                self._version = graph.version
            elif options not in self._linkers:
                kept = next(iter(self._linkers.values()))
                if len(self._linkers) == MAX_CHOICES:
                    del self._linkers[next(iter(self._linkers))]
                self._linkers[options] = replace(kept, options=options)
            return self._linkers[options]


_linkers: dict[Path, SharedLinkers] = {}


@overload
def link(
    texts: str, preset: Preset = ..., graph: Graph | None = ..., **filters: Unpack[Filters]
) -> LinkedText: ...


@overload
def link(
    texts: list[str] | tuple[str, ...],
    preset: Preset = ...,
    graph: Graph | None = ...,
    **filters: Unpack[Filters],
) -> list[LinkedText]: ...


def link(
    texts: str | list[str] | tuple[str, ...],
    preset: Preset = "literature",
    graph: Graph | None = None,
    **filters: Unpack[Filters],
) -> LinkedText | list[LinkedText]:
    """Return what a text mentions, or what each of several does.

    Args:
        texts: one text, or several, which is faster than one after the other.
        preset: what they are: ``clinical`` notes, or ``literature``.
        graph: the configured one by default; its names stay open for the next call.
        filters: ``types``, ``groups`` and ``sources`` that concepts must have one of, and
            ``nil``, the least score of a mention.

    Raises:
        UsageError: there is no such preset, or a filter names nothing in the graph.
        BaliError: there is no graph.
    """
    options = chosen_options(preset, **filters)
    if graph is None:
        with Graph.connect() as own:
            return link(texts, preset, own, **filters)
    cache = load_settings().home / "cache"
    shared = _linkers.setdefault(cache, SharedLinkers(cache))
    if isinstance(texts, str):
        return shared.link(graph, [texts], options)[0]
    return shared.link(graph, texts, options)
