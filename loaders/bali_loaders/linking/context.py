"""What a text says of what it mentions: negated, uncertain, historical, family, hypothetical.

The ConText algorithm (Harkema et al., Journal of Biomedical Informatics 42, 2009): cues have a
scope that ends with the sentence, the block or a terminating phrase. The cues are data, in
``tables/cues.tsv``; scopes are intervals of positions, so that the work grows with the text alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from string import ascii_letters, ascii_uppercase
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.dictionary import Dictionary, phrase_dictionary
from bali_loaders.linking.joined import LINE_BREAKS, SPACES, Flags, Joined, Positions
from bali_loaders.linking.lexicon import SAID_BY_SECTIONS, Course, cues
from bali_loaders.linking.matcher import find_names, leftmost_longest
from bali_loaders.linking.notes import Notes
from bali_loaders.linking.words import Words

ATTRIBUTES = ("negated", "uncertain", "historical", "family", "hypothetical")
"""What can hold of a mention; bit ``i`` of a mention's flags is the ``i``-th."""

_NO_END = re.compile(
    r"\.(?:(?<=\bDr\.)|(?<=\bM[rs]\.)|(?<=\bMrs\.)|(?<=\bvs\.)|(?<=e\.g\.)|(?<=i\.e\.)"
    r"|(?<=\bincl\.)|(?<=\b[db]\.)(?= ?\d)|(?<=\b[A-Z]\.)(?= [a-z]))"
)
"""Stops that end no sentence."""
_AFTER_ENDS = f"{SPACES}\0)]\"'"
_QUESTIONED = re.compile(
    r"\?(?:(?<!\w\?)[ \t]?)?(?=[A-Za-z])"
    r"(?:(?i:acute|chronic|early|mild|new|old|recent|occult|underlying|secondary|viral|bacterial"
    r"|left|right|[lr]) )?"
)
_MINUS = re.compile(r"(?:(?<=, )-|(?<=[,:;+] )\([-\u2013]\))[ \t]?(?=[A-Za-z])")
"""The sign of absence in "+ constipation, - melena" and in "(+) cough, (-) fever"."""
_NO = r"(?i:no|none|nil|denied|absent|neg(?:ative)?|-)\)?(?=[ \t]*(?:[\0\n.;,]|$)|[ \t]{2})"
_DENIED = re.compile(
    rf"[:(\-\u2013nN](?:(?<=:)\s?{_NO}|(?<=\(){_NO}|(?<=\s[-\u2013])\s{_NO}"
    r"|(?<=\s[-\u2013])(?=[,;])|(?<=\s[nN])(?i:eg(?:ative)?)[ \t]*(?=[\0\n.;,(]|$))"
)
"""What answers the item before it, as in "asthma: no" or "fever (-)"."""
_NO_COLUMN = re.compile(r"(?:N|\[[xX]\] ?[nN]o)(?=[ \t]*(?:[\0\n,;]|$)|  )")
"""The same in the cells of forms: "CVA N   TIA Y", "fever [ ] yes [x] no"."""
_UNTICKED = re.compile(r"(?:\[[ _]?\]|[\u2610\u25a1])(?=\s?\w)[^\[\u2610-\u2612\u25a1\n\0]*")
_NEAR = 80
"""Characters at most from what is over to the drug that was given for it."""
_TREATED = re.compile(r"(?:\b(?:with|w|by|(?:months|weeks|course) of) |w/ ?|\()(?:[^\W\d]+ )?$")
_STOPPED = re.compile(
    r"\b(?:because of|b/c(?: of)?|due to|owing to|2/2|secondary to) (?:[^\W\d]+ )?$"
)
_OF_YEAR = re.compile(r"\d{4}\)?,? (?:for|with|due to|because of|after) ")
_WIDEST = 400
"""Characters at most from a cue to what it speaks of."""
_NARROW = 30
"""The same from what was wrong to when that was."""
_INDENT = 4
"""Characters at most between the beginning of an item and its first word."""
_OF_SEVERAL = ("are ", "were ", "have ", "is ", "was ", "remains ", "has ")
_OF_LISTS = (" of", "/o")
_OF_ITEMS = ("historical", "over", "event", "past")
_SAID = (*ATTRIBUTES, "over", "event", "past", "then", "in past", "conditional", "prevented")
"""What is said of mentions. Beside the attributes, of which :func:`_historical` is made: that it
is over; that it came before something; that it was at some time; that it is in a list of the past;
that, if it is a drug, it is only meant to be given; that, if it is none, it is to be prevented.
"""


class _Table(NamedTuple):
    """Cues as a dictionary; [phrases] masks of what each is, and how far it reaches."""

    dictionary: Dictionary
    kinds: defaultdict[tuple[str, str], Flags]
    of_several: Flags
    of_lists: Flags


class _Scene(NamedTuple):
    """All documents as one text: sorted positions of what scopes end at."""

    plain: Joined
    ends: Positions
    cells: Positions
    commas: Positions
    item_ends: Positions
    brackets: tuple[Positions, Positions]
    colons: Positions
    stops: dict[str, tuple[Positions, Positions]]
    """Starts and ends of what ends scopes, by attribute; the empty one is for all others."""


def find_attributes(
    notes: Notes,
    words: Words,
    start: Positions,
    end: Positions,
    course: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Return bits of :data:`ATTRIBUTES` for mentions, [M], at ``start`` to ``end``, ascending.

    Positions are those of all documents joined. ``course`` is the
    :class:`~bali_loaders.linking.lexicon.Course` of what is mentioned.
    """
    table = _table()
    first, last, key = find_names(table.dictionary, words)
    chosen = leftmost_longest(first, last, np.arange(len(first)))
    phrase = table.dictionary.concept[table.dictionary.offsets[key[chosen]]]
    cue_start, cue_end = words.start[first[chosen]], words.end[last[chosen]]
    free = _free(cue_start, cue_end, start, end)
    phrase, cue_start, cue_end = phrase[free], cue_start[free], cue_end[free]
    scene = _scene(notes, table, phrase, cue_start, cue_end)
    said = {}
    sections = _sections(notes)
    for attribute in _SAID:
        low, high = _scopes(table, attribute, phrase, cue_start, cue_end, scene)
        said[attribute] = _covered(start, low, high)
        if attribute in sections:
            said[attribute] |= _covered(start, *np.array(sections[attribute]).T)
    said["negated"] |= _covered(start, *_denied(notes.plain, scene))
    questions = notes.plain.matches(_QUESTIONED, notes.plain.at("?"))
    asked = np.array([match.end() for match in questions], dtype=np.int64)
    said["uncertain"] |= _covered(start, asked, asked + 2)
    signs = notes.plain.matches(_MINUS, notes.plain.at("-("))
    missed = np.array([match.end() for match in signs], dtype=np.int64)
    said["negated"] |= _covered(start, missed, missed + 2)
    said["then"] |= _covered(start, *_dated(notes.times, scene))
    said["historical"] = _historical(said, course)
    _hand_on(said["historical"], notes.plain, start, course)
    drug = (course & Course.DRUG) > 0
    said["hypothetical"] |= np.where(drug, said["conditional"], said["prevented"])
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


def _hand_on(historical: Flags, plain: Joined, start: Positions, course: NDArray[np.uint8]) -> None:
    """Mark the drugs that what is over was treated with, and the reasons why drugs were stopped."""
    drug = (course & Course.DRUG) > 0
    with_drug = drug[1:] | drug[:-1]
    near = (np.diff(start) <= _NEAR) & with_drug & ~historical[1:]
    for at in (np.flatnonzero(near) + 1).tolist():
        if historical[at - 1]:
            link = _TREATED if drug[at] else _STOPPED
            historical[at] = link.search(plain.text[start[at - 1] : start[at]]) is not None


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
    notes: Notes,
    table: _Table,
    phrase: NDArray[np.int32],
    start: Positions,
    end: Positions,
) -> _Scene:
    plain = notes.plain
    borders = (_sentence_ends(plain), notes.blocks, notes.headings.start, plain.origins)
    ends = np.concatenate(borders)
    after_comma = plain.has(",", np.maximum(start - 2, 0)) | plain.has(",", start - 1)
    return _Scene(
        plain,
        ends=np.sort(ends),
        cells=np.sort(np.concatenate([ends, _cells(plain)])),
        commas=plain.at(","),
        item_ends=plain.at(",()/"),
        brackets=(plain.at("("), plain.at(")")),
        colons=plain.at(":"),
        stops={
            attribute: (start[mask[phrase] | after_comma], end[mask[phrase]])
            for (attribute, way), mask in table.kinds.items()
            if way == "terminate"
        },
    )


def _sentence_ends(plain: Joined) -> Positions:
    marks = plain.at(".!?;")
    marks = marks[plain.has(_AFTER_ENDS, marks + 1)]
    doubtful = marks[plain.has(".", marks) & plain.has(f"rsgeldb{ascii_uppercase}", marks - 1)]
    none = [match.start() for match in plain.matches(_NO_END, doubtful)]
    return np.delete(marks, np.searchsorted(marks, none))


def _cells(plain: Joined) -> Positions:
    """Return where cells of a table end, and where something is said to be there ("+ cough")."""
    spaces = plain.at(" ")
    third = spaces[2:][spaces[2:] - spaces[:-2] == 2]
    gaps = third[~plain.has(f" {LINE_BREAKS}\0", third - 3)]
    tabs = plain.at("\t")
    tabs = tabs[~plain.has(f"{LINE_BREAKS}\0", tabs - 1)]
    pluses = plain.at("+")
    pluses = pluses[plain.has(SPACES, pluses - 1) & ~plain.has("0123456789", pluses + 1)]
    return np.concatenate([gaps, tabs, pluses, plain.at("|\0")])


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
    if attribute == "negated":  # "cultures neg, ampicillin": what was before it
        forward = forward & ~scene.plain.has(",", end)
    closes = _closes_item(scene.plain, end)
    closing = table.kinds[attribute, "closing"][phrase] & closes
    backward = table.kinds[attribute, "backward"][phrase] | closing
    origin, target = end[forward], start[backward]
    stop_starts, stop_ends = scene.stops.get(attribute) or scene.stops[""]
    # A row of a table speaks of one relative, but of many findings.
    ends = scene.cells if attribute == "negated" else scene.ends
    until = np.minimum(_next(ends, origin), _next(stop_starts, origin))
    opened, closed = (_next(bracket, origin) for bracket in scene.brackets)
    until = np.minimum(until, np.where(closed < opened, closed, until))
    if attribute in _OF_ITEMS:
        lists = table.of_lists[phrase[forward]] | np.isin(origin, scene.colons)
        until = np.where(lists, until, np.minimum(until, _next(scene.item_ends, origin + 1)))
    since = np.maximum(_previous(ends, target), _previous(stop_ends, target))
    near = closes[backward] | (attribute == "over")
    comma = target - 3 * near  # "flu, resolved" is one item
    item = np.maximum(since, _previous(scene.commas, comma))
    if attribute == "negated":  # "ulcer, 2 cm: odor none", but "odor: none"
        item = np.maximum(item, _previous(scene.colons, target - 3))
    since = np.where(table.of_several[phrase[backward]], since, item)
    width = _NARROW if attribute == "then" else _WIDEST
    low = np.append(origin, np.maximum(since, target - width))
    return low, np.append(np.minimum(until, origin + _WIDEST), target)


def _closes_item(plain: Joined, end: Positions) -> Flags:
    """Tell after which cues no word follows."""
    return ~plain.has(ascii_letters, end + plain.has(" ", end))


def _dated(times: Positions, scene: _Scene) -> tuple[Positions, Positions]:
    """Return where begins and ends what was at some times.

    It is before them, or after one that leads: "2009: stroke", "in hospital in 2009 for a stroke".
    """
    begins = _previous(scene.ends, times)
    since = np.maximum(np.maximum(_previous(scene.commas, times), times - _NARROW), begins)
    cause = [match.start() for match in scene.plain.matches(_OF_YEAR, times)]
    leading = times[(times - begins <= _INDENT) | np.isin(times, cause)]
    return np.append(since, leading), np.append(times, _next(scene.ends, leading + 1))


def _denied(plain: Joined, scene: _Scene) -> tuple[Positions, Positions]:
    """Return where items of forms begin and end that are answered with no, or are not ticked."""
    denials = plain.matches(_DENIED, _denial_marks(plain))
    answer = np.array([match.start() for match in denials], dtype=np.int64)
    borders = np.where(
        plain.has("(", answer), _previous(scene.cells, answer), _previous(scene.ends, answer)
    )
    item = np.maximum(borders, _previous(scene.commas, answer - 1))
    letters = plain.at("N[")
    letters = letters[plain.has(SPACES, letters - 1)]
    columns = plain.matches(_NO_COLUMN, letters)
    cell = np.array([match.start() for match in columns], dtype=np.int64)
    cell_start = np.maximum(_previous(scene.cells, cell), _previous(scene.commas, cell - 1))
    boxes = plain.at("[\u2610\u25a1")
    boxes = boxes[~plain.has("[", boxes) | plain.has(" _]", boxes + 1)]
    spans = [match.span() for match in plain.matches(_UNTICKED, boxes)]
    unticked = np.array(spans, dtype=np.int64).reshape(-1, 2).T
    return (
        np.concatenate([item, cell_start, unticked[0]]),
        np.concatenate([answer, cell, unticked[1]]),
    )


def _denial_marks(plain: Joined) -> Positions:
    """Return where a character stands that :data:`_DENIED` may begin with, and what it needs."""
    at = plain.at(":(-\u2013nN")
    at = at[plain.has(":(", at) | plain.has(SPACES, at - 1)]
    at = at[~plain.has("nN", at) | plain.has("eE", at + 1)]
    following = at + 1 + plain.has(SPACES, at + 1)
    return at[plain.has("nNdDaAeE-,;", following)]


def _sections(notes: Notes) -> dict[str, list[tuple[int, int]]]:
    """Return where the sections begin and end of which everything has an attribute.

    One whose text begins on the heading's line ends with the block, others with the next heading.
    """
    plain, headings = notes.plain, notes.headings
    limit = plain.origins[plain.document(headings.start) + 1] - 1
    ends = np.minimum(np.append(headings.start[1:], len(plain.text))[: len(limit)], limit)
    blocks = np.append(notes.blocks, len(plain.text))
    line_ends = np.minimum(blocks[np.searchsorted(blocks, headings.end, side="right")], limit)
    found = defaultdict(list)
    columns = (column.tolist() for column in (headings.start, headings.end, ends, line_ends))
    for kind, start, after, end, line_end in zip(headings.kind, *columns, strict=True):
        attribute = SAID_BY_SECTIONS.get(kind)
        if attribute is None:
            continue
        if plain.text[after:line_end].strip(" \t\r\n\0"):
            end = min(end, line_end)
        found[attribute].append((start, end))
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
