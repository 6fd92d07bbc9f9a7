"""What texts mention, by the names of a graph: in Python, and behind every other door."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from threading import Lock
from typing import TypedDict, Unpack, overload

from bali.trained import trained_decider
from bali_loaders.linking import (
    Linked,
    LinkOptions,
    Preset,
    TextLinker,
    chosen_options,
    graph_linker,
)
from bali_loaders.linking.words import chunks
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

    @property
    def candidates(self) -> tuple[str, ...]:
        """Every concept of that name, the likeliest first."""
        return (self.cui, *self.alternatives)


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


_lock = Lock()
_linkers: dict[tuple[str, LinkOptions], TextLinker] = {}


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
        graph: the configured one by default. Its names stay open for the next call, until another
            version of it is live. Threads may share them.
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
    linked = link_each([texts] if isinstance(texts, str) else texts, graph, options)
    return next(linked) if isinstance(texts, str) else list(linked)


def link_each(texts: Iterable[str], graph: Graph, options: LinkOptions) -> Iterator[LinkedText]:
    """Yield what each text mentions, as many at a time as are linked fast."""
    linker = _linker(graph, options)
    for chunk in chunks(texts, str):
        yield from map(_told, chunk, linker.link_all(chunk))


def _linker(graph: Graph, options: LinkOptions) -> TextLinker:
    """Return the linker of the live graph, whose names all choices of options share."""
    with _lock:
        version = graph.version
        if linker := _linkers.get((version, options)):
            return linker
        kept = next((own for (of, _), own in _linkers.items() if of == version), None)
        if kept is None:
            _linkers.clear()
        elif len(_linkers) == MAX_CHOICES:
            del _linkers[next(iter(_linkers))]
        made = replace(kept, options=options) if kept else _opened(graph, options)
        _linkers[version, options] = made
        return made


def _opened(graph: Graph, options: LinkOptions) -> TextLinker:
    settings = load_settings()
    decider = trained_decider(settings)
    linker = graph_linker(graph, settings.home / "cache", options)
    return replace(linker, decider=decider()) if decider else linker


def _told(text: str, found: Linked) -> LinkedText:
    return LinkedText(
        [
            Mention(one.start, one.end, text[one.start : one.end], *one[2:])
            for one in found.mentions
        ],
        [
            OmittedMention(one.start, one.end, text[one.start : one.end], *one[2:])
            for one in found.omitted
        ],
    )
