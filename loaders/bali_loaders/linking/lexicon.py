"""The shipped tables of clinical English: abbreviations, words, stop names, headings, cues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntFlag
from functools import cache
from importlib.resources import files
from itertools import product
from typing import NamedTuple

from bali_loaders.linking.words import LONGEST_ACRONYM

NOTHING = "-"
"""The meaning of what is no finding, drug or substance."""
SAID_BY_SECTIONS = {
    "family": "family",
    "instructions": "prevented",
    "differential": "uncertain",
    "birth": "over",
    "resolved": "over",
    "past": "in past",
}
"""What a kind of section says of all that it mentions."""


class Sense(NamedTuple):
    """What a written form may mean.

    ``names`` are names of the concept, the best known first, none where nothing is to be linked;
    ``support`` are words of which the document must hold one, none where the sense is the usual.
    """

    names: tuple[str, ...]
    support: tuple[str, ...]


class Cue(NamedTuple):
    """A phrase that says something of the mentions around it.

    ``attribute`` is empty for phrases that end the scope of others.
    """

    phrase: str
    attribute: str
    way: str


class Course(IntFlag):
    """How long what a concept stands for goes on; where none holds, nobody knows."""

    LASTING = 1
    EPISODE = 2
    DRUG = 4


@cache
def senses() -> dict[str, tuple[Sense, ...]]:
    """Return what notes mean by a form, in the order in which the senses are tried."""
    found: dict[str, tuple[Sense, ...]] = {}
    for table in ("words.tsv", "abbreviations.tsv"):
        for written, meaning, *support in _rows(table):
            names = () if meaning == NOTHING else tuple(meaning.split("|"))
            words = tuple(support[0].casefold().split(",")) if support else ()
            found[written] = (*found.get(written, ()), Sense(names, words))
    for conditions, places in _rows("services.tsv"):
        for name in product(conditions.split("|"), places.split("|")):
            found.setdefault(" ".join(name), (Sense((), ()),))
    # In capitals a short word keeps its "s", so that it has another key.
    short = [written for written in found if len(written) <= LONGEST_ACRONYM and written[-1] == "s"]
    for written in filter(str.islower, short):
        found.setdefault(written.upper(), found[written])
    return found


@cache
def stop_names() -> frozenset[str]:
    """Return the names that are not linked though concepts have them."""
    return frozenset(name for (name,) in _rows("stop_names.txt"))


@cache
def sections() -> dict[str, str]:
    """Return the kind of section that each heading, in lower case, begins."""
    return {row[0]: row[1] for row in _rows("sections.tsv")}


@cache
def cues() -> tuple[Cue, ...]:
    """Return the cues of the ConText algorithm."""
    rows = (
        Cue(phrase, "" if attribute == NOTHING else attribute, way)
        for written, attribute, way in _rows("cues.tsv")
        for phrase in _alternatives(written)
    )
    return tuple(dict.fromkeys(rows))


def course(name: str) -> Course:
    """Return how long a condition of such a name goes on.

    >>> course("Chronic heart failure"), course("Fracture of rib")
    (<Course.LASTING: 1>, <Course.EPISODE: 2>)
    """
    lasting, episode = _courses()
    if lasting.search(name):
        return Course.LASTING
    return Course.EPISODE if episode.search(name) else Course(0)


@cache
def _courses() -> tuple[re.Pattern[str], re.Pattern[str]]:
    rows = list(_rows("courses.tsv"))
    patterns = (
        r"\b(?:" + "|".join(words for words, own in rows if own == kind) + ")"
        for kind in ("lasting", "episode")
    )
    lasting, episode = (re.compile(pattern, re.IGNORECASE) for pattern in patterns)
    return lasting, episode


def _alternatives(written: str) -> Iterator[str]:
    """Yield what a phrase with alternatives in brackets stands for.

    >>> list(_alternatives("[is|] not [seen|found]"))
    ['is not seen', 'is not found', 'not seen', 'not found']
    """
    parts = (part.split("|") for part in re.split(r"[\[\]]", written))
    return (" ".join("".join(chosen).split()) for chosen in product(*parts))


def _rows(table: str) -> Iterator[list[str]]:
    text = files("bali_loaders.linking").joinpath("tables", table).read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("# "):
            yield line.split("\t")
