"""What a text says of what it mentions: negated, uncertain, historical, family, hypothetical.

The ConText algorithm (Harkema et al., Journal of Biomedical Informatics 42, 2009): cues have a
scope that ends with the sentence, the block or a terminating phrase. The cues are data, in
``tables/cues.tsv``; scopes are intervals of positions, so that the work grows with the text alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.dictionary import Dictionary, phrase_dictionary
from bali_loaders.linking.lexicon import SAID_BY_SECTIONS, Course, cues
from bali_loaders.linking.matcher import find_names, leftmost_longest
from bali_loaders.linking.notes import Note
from bali_loaders.linking.words import Words

ATTRIBUTES = ("negated", "uncertain", "historical", "family", "hypothetical")
"""What can hold of a mention; bit ``i`` of a mention's flags is the ``i``-th."""

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]
_END = re.compile(
    r"[.!?;](?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bvs\.)(?<!e\.g\.)(?<!i\.e\.)(?=[\s\0)\]\"']|$)"
)
_QUESTIONED = re.compile(r"\?\s?(?=[A-Za-z])")
_NO = r"(?i:no|none|denied|absent|neg(?:ative)?|-)\)?[ \t]*(?=[\0\n.;,]|$)"
_DENIED = re.compile(
    rf"[:(\-\u2013nN](?:(?<=:)\s?{_NO}|(?<=\(){_NO}|(?<=\s[-\u2013])\s{_NO}|(?<=\s-)(?=[,;])"
    r"|(?<=\s[nN])(?i:eg(?:ative)?)[ \t]*(?=[\0\n.;,(]|$))"
)
"""What answers the item before it, as in "asthma: no" or "fever (-)"."""
_UNTICKED = re.compile(r"\[[ _]?\](?=\s?\w)[^\[\n\0]*")
_WIDEST = 400
"""Characters at most from a cue to what it speaks of."""
_NARROW = 30
"""The same from what was wrong to when that was."""
_OF_SEVERAL = ("are ", "were ", "have ", "is ", "was ", "remains ", "has ")
_OF_LISTS = (" of", "/o")
_OF_ITEMS = ("historical", "over", "event", "past")
_SAID = (*ATTRIBUTES, "over", "event", "past", "then", "in past")
"""What is said of mentions. Beside the attributes, of which :func:`_historical` is made: that it
is over; that it came before something; that it was at some time; that it is in a list of the past.
"""


class _Table(NamedTuple):
    """Cues as a dictionary; [phrases] masks of what each is, and how far it reaches."""

    dictionary: Dictionary
    kinds: defaultdict[tuple[str, str], Flags]
    of_several: Flags
    of_lists: Flags


class _Scene(NamedTuple):
    """All documents as one text: sorted positions of what scopes end at."""

    ends: Positions
    commas: Positions
    item_ends: Positions
    brackets: tuple[Positions, Positions]
    colons: Positions
    stops: dict[str, tuple[Positions, Positions]]
    """Starts and ends of what ends scopes, by attribute; the empty one is for all others."""


def find_attributes(
    notes: Sequence[Note],
    words: Words,
    origins: Positions,
    start: Positions,
    end: Positions,
    course: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Return bits of :data:`ATTRIBUTES` for mentions, [M], at ``start`` to ``end``, ascending.

    Positions are those of all documents joined by one character; ``origins`` is where each begins.
    ``course`` is the :class:`~bali_loaders.linking.lexicon.Course` of what is mentioned.
    """
    table = _table()
    first, last, key = find_names(table.dictionary, words)
    chosen = leftmost_longest(first, last, np.arange(len(first)))
    phrase = table.dictionary.concept[table.dictionary.offsets[key[chosen]]]
    cue_start = origins[words.text[first[chosen]]] + words.start[first[chosen]]
    cue_end = origins[words.text[last[chosen]]] + words.end[last[chosen]]
    free = _free(cue_start, cue_end, start, end)
    phrase, cue_start, cue_end = phrase[free], cue_start[free], cue_end[free]
    joined = "\n".join(note.text for note in notes)
    scene = _scene(joined, notes, origins, table, phrase, cue_start, cue_end)
    said = {}
    sections = _sections(notes, origins)
    for attribute in _SAID:
        low, high = _scopes(table, attribute, phrase, cue_start, cue_end, scene)
        said[attribute] = _covered(start, low, high)
        if attribute in sections:
            said[attribute] |= _covered(start, *np.array(sections[attribute]).T)
    said["negated"] |= _covered(start, *_denied(joined, scene))
    asked = np.array([m.end() for m in _QUESTIONED.finditer(joined)], dtype=np.int64)
    said["uncertain"] |= _covered(start, asked, asked + 2)
    times = np.array(
        [o + at for o, note in zip(origins.tolist(), notes, strict=True) for at in note.times],
        dtype=np.int64,
    )
    said["then"] = _covered(
        start, np.maximum(_previous(scene.commas, times), times - _NARROW), times
    )
    said["historical"] = _historical(said, course)
    flags = np.zeros(len(start), dtype=np.uint8)
    for bit, attribute in enumerate(ATTRIBUTES):
        flags |= said[attribute].astype(np.uint8) << np.uint8(bit)
    return flags


def _historical(said: dict[str, Flags], course: NDArray[np.uint8]) -> Flags:
    """Tell what was there and is over; a lasting condition is only where a text says so.

    What follows a drug is no sign that it is of the past: "s/p azithromycin" tells of this week.
    """
    lasting, episode, drug = ((course & kind) > 0 for kind in Course)
    was = said["historical"] | (said["event"] & ~drug)
    was |= said["in past"] & (said["past"] | said["then"] | (episode & ~said["uncertain"]))
    was |= said["then"] & episode
    historical: Flags = (said["over"] | (was & ~lasting)) & ~said["negated"] & ~said["family"]
    return historical


@cache
def _table() -> _Table:
    rows = cues()
    phrases = list(dict.fromkeys(cue.phrase for cue in rows))
    index = {phrase: at for at, phrase in enumerate(phrases)}
    kinds: defaultdict[tuple[str, str], Flags] = defaultdict(
        lambda: np.zeros(len(phrases), dtype=bool)
    )
    for cue in rows:
        kinds[cue.attribute, cue.way][index[cue.phrase]] = True
    several = np.array([phrase.startswith(_OF_SEVERAL) for phrase in phrases])
    lists = np.array([phrase.endswith(_OF_LISTS) for phrase in phrases])
    return _Table(phrase_dictionary(phrases), kinds, several, lists)


def _scene(
    joined: str,
    notes: Sequence[Note],
    origins: Positions,
    table: _Table,
    phrase: NDArray[np.int32],
    start: Positions,
    end: Positions,
) -> _Scene:
    marks = [match.start() for match in _END.finditer(joined)]
    blocks = [o + b for o, note in zip(origins.tolist(), notes, strict=True) for b in note.blocks]
    heads = [
        o + h.start for o, note in zip(origins.tolist(), notes, strict=True) for h in note.headings
    ]
    borders = [*marks, *blocks, *heads, *origins.tolist(), len(joined)]
    code = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    commas = np.flatnonzero(code == ord(","))
    before = np.maximum(start - 2, 0)
    after_comma = (code[before] == ord(",")) | (code[np.maximum(start - 1, 0)] == ord(","))
    return _Scene(
        ends=np.unique(np.array(borders, dtype=np.int64)),
        commas=commas,
        item_ends=np.flatnonzero(np.isin(code, [ord(mark) for mark in ",()/"])),
        brackets=(np.flatnonzero(code == ord("(")), np.flatnonzero(code == ord(")"))),
        colons=np.flatnonzero(code == ord(":")),
        stops={
            attribute: (start[mask[phrase] | after_comma], end[mask[phrase]])
            for (attribute, way), mask in table.kinds.items()
            if way == "terminate"
        },
    )


def _scopes(
    table: _Table,
    attribute: str,
    phrase: NDArray[np.int32],
    start: Positions,
    end: Positions,
    scene: _Scene,
) -> tuple[Positions, Positions]:
    """Return where the scopes of an attribute's cues begin and end."""
    forward = table.kinds[attribute, "forward"][phrase]
    backward = table.kinds[attribute, "backward"][phrase]
    origin, target = end[forward], start[backward]
    stop_starts, stop_ends = scene.stops.get(attribute) or scene.stops[""]
    until = np.minimum(_next(scene.ends, origin), _next(stop_starts, origin))
    opening, closing = (_next(bracket, origin) for bracket in scene.brackets)
    until = np.minimum(until, np.where(closing < opening, closing, until))
    if attribute in _OF_ITEMS:
        lists = table.of_lists[phrase[forward]] | np.isin(origin, scene.colons)
        until = np.where(lists, until, np.minimum(until, _next(scene.item_ends, origin + 1)))
    since = np.maximum(_previous(scene.ends, target), _previous(stop_ends, target))
    comma = target - 3 if attribute == "over" else target  # "flu, resolved" is one item
    item = np.maximum(since, _previous(scene.commas, comma))
    since = np.where(table.of_several[phrase[backward]], since, item)
    width = _NARROW if attribute == "then" else _WIDEST
    low = np.append(origin, np.maximum(since, target - width))
    return low, np.append(np.minimum(until, origin + _WIDEST), target)


def _denied(joined: str, scene: _Scene) -> tuple[Positions, Positions]:
    """Return where items of forms begin and end that are answered with no, or are not ticked."""
    answer = np.array([m.start() for m in _DENIED.finditer(joined)], dtype=np.int64)
    item = np.maximum(_previous(scene.ends, answer), _previous(scene.commas, answer - 1))
    boxes = [match.span() for match in _UNTICKED.finditer(joined)]
    unticked = np.array(boxes, dtype=np.int64).reshape(-1, 2).T
    return np.append(item, unticked[0]), np.append(answer, unticked[1])


def _sections(notes: Sequence[Note], origins: Positions) -> dict[str, list[tuple[int, int]]]:
    """Return where the sections begin and end of which everything has an attribute.

    One whose text begins on the heading's line ends with the block, others with the next heading.
    """
    found = defaultdict(list)
    for origin, note in zip(origins.tolist(), notes, strict=True):
        for at, heading in enumerate(note.headings):
            attribute = SAID_BY_SECTIONS.get(heading.kind)
            if attribute is None:
                continue
            after = note.headings[at + 1 : at + 2]
            end = after[0].start if after else len(note.text)
            block = bisect_right(note.blocks, heading.end)
            line_end = note.blocks[block] if block < len(note.blocks) else len(note.text)
            if note.text[heading.end : line_end].strip(" \t\r\n\0"):
                end = min(end, line_end)
            found[attribute].append((origin + heading.start, origin + end))
    return found


def _free(cue_start: Positions, cue_end: Positions, start: Positions, end: Positions) -> Flags:
    """Tell which cues are more than a part of a mention, of ascending disjoint ones."""
    if not len(start):
        return np.ones(len(cue_start), dtype=bool)
    at = np.maximum(np.searchsorted(start, cue_start, side="right") - 1, 0)
    inside = (cue_start >= start[at]) & (cue_end <= end[at])
    free: Flags = ~inside | (cue_end - cue_start == end[at] - start[at])
    return free


def _covered(position: Positions, low: Positions, high: Positions) -> Flags:
    """Tell which of the ascending positions some interval holds."""
    edges = np.zeros(len(position) + 1, dtype=np.int64)
    np.add.at(edges, np.searchsorted(position, low), 1)
    np.add.at(edges, np.searchsorted(position, np.maximum(high, low)), -1)
    covered: Flags = np.cumsum(edges)[:-1] > 0
    return covered


def _next(sorted_positions: Positions, position: Positions) -> Positions:
    padded = np.append(sorted_positions, np.iinfo(np.int64).max)
    following: Positions = padded[np.searchsorted(padded, position)]
    return following


def _previous(sorted_positions: Positions, position: Positions) -> Positions:
    padded = np.append(-1, sorted_positions)
    before: Positions = padded[np.searchsorted(padded, position, side="right") - 1]
    return before
