"""MRCONSO: the names of the concepts, as columns of numbers and words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa

from bali_loaders.releases.synthetic.shape import Bools, Ints, Shape, coded
from bali_loaders.releases.synthetic.vocabulary import (
    LANGUAGES,
    SOURCES,
    TERM_TYPES,
    WORDS,
    WORDS_PER_LANGUAGE,
)

LANGUAGE_NAMES = list(LANGUAGES)
KINDS = list(TERM_TYPES)
SUPPRESSIBLE = [KINDS.index(tty) for tty in ("AB", "OP", "IS")]
ENGLISH = np.array([p for p, s in enumerate(SOURCES) if s.language == "ENG"])
FOREIGN = np.array([p for p, s in enumerate(SOURCES) if s.language != "ENG"])
LANGUAGE_OF = np.array([LANGUAGE_NAMES.index(source.language) for source in SOURCES])
CATEGORY_OF = np.array([source.category for source in SOURCES])
WIDEST = max(len(source.term_types) for source in SOURCES)
TYPES_OF = np.array(
    [[KINDS.index(s.term_types[n % len(s.term_types)]) for n in range(WIDEST)] for s in SOURCES]
)
IDENTIFIES = ["", "SCUI", "SDUI"]
IDENTIFIES_OF = np.array([IDENTIFIES.index(source.identifies) for source in SOURCES])

BASE, INVERTED, UPPER, LONGER, OTHER, QUOTED, BACKSLASHED, LONGEST, FOREIGN_WORDS, SYMBOLS = range(
    10
)
"""How a name is made of its concept's words and its own."""


class AtomCounter:
    """Counts atoms and concepts of each source while the atoms stream by, for MRSAB."""

    def __init__(self) -> None:
        self.atoms = np.zeros(len(SOURCES), dtype=np.int64)
        self.concepts = np.zeros(len(SOURCES), dtype=np.int64)

    def add(self, concept: Ints, source: Ints) -> None:
        """Count the atoms of one chunk."""
        self.atoms += np.bincount(source, minlength=len(SOURCES))
        pairs = np.unique(concept * len(SOURCES) + source)
        self.concepts += np.bincount(pairs % len(SOURCES), minlength=len(SOURCES))


def ranks() -> Ints:
    """Return the rank of each (source, term type): the type counts first, then the source."""
    places = [(KINDS.index(t), p) for p, s in enumerate(SOURCES) for t in s.term_types]
    table = np.zeros((len(SOURCES), len(KINDS)), dtype=np.int64)
    for rank, (kind, place) in enumerate(sorted(places, reverse=True), 1):
        table[place, kind] = rank
    return table


def atom_batches(shape: Shape, counter: AtomCounter) -> Iterator[pa.RecordBatch]:
    """Yield the atoms of each chunk of concepts; ``sql/MRCONSO.sql`` makes rows of them."""
    rank = ranks()
    for chunk in shape.chunks():
        counts = shape.atom_counts(chunk)
        owner = np.repeat(chunk, counts)
        atom = np.arange(len(owner)) + shape.first_atoms[chunk[0]]
        place = atom - shape.first_atoms[owner]
        random = shape.random("atoms", chunk)
        source = _sources(random, owner, place)
        tty = TYPES_OF[source, random.integers(0, WIDEST, len(atom))]
        own_words = random.integers(0, WORDS_PER_LANGUAGE, (3, len(atom)))
        kind = _name_kinds(random, atom, LANGUAGE_OF[source])
        columns = _Atoms(owner, atom, source, tty, kind, *own_words)
        yield _batch(shape, columns.of_living(shape), chunk[0], rank, counter)


@dataclass(frozen=True, slots=True)
class _Atoms:
    concept: Ints
    atom: Ints
    source: Ints
    tty: Ints
    kind: Ints
    d: Ints
    e: Ints
    f: Ints

    def of_living(self, shape: Shape) -> _Atoms:
        """Drop the atoms of retired concepts, or give them to the concepts merged into."""
        gone = shape.retired_in(self.concept) > 0
        merged = gone & shape.merged(self.concept)
        moved = replace(self, concept=self.concept + merged)
        keep = ~gone | merged
        return _Atoms(*(getattr(moved, field.name)[keep] for field in fields(moved)))


def _batch(
    shape: Shape, atoms: _Atoms, start: np.int64, rank: Ints, counter: AtomCounter
) -> pa.RecordBatch:
    concept, atom, source = atoms.concept, atoms.atom, atoms.source
    language = LANGUAGE_OF[source]
    # A homonym takes the words of the concept before it, unless that is in another chunk.
    base = np.where((concept % 89 == 7) & (concept > start), concept - 1, concept)
    sui, lui = _string_numbers(atom, base, atoms.kind, language)
    first = _preference(concept, language, rank[source, atoms.tty], atom, sui, lui)
    counter.add(concept, source)
    offset = language * WORDS_PER_LANGUAGE
    stems = {name: shape.stems(base, place) for place, name in enumerate("abc")}
    words = {**stems, "d": atoms.d, "e": atoms.e, "f": atoms.f}
    return pa.RecordBatch.from_pydict(
        {
            "concept": concept,
            "atom": atom,
            "lui": lui,
            "sui": sui,
            "ts": coded(first["term"], ["S", "P"]),
            "stt": coded(first["form"], ["VO", "PF"]),
            "ispref": coded(first["string"], ["N", "Y"]),
            "lat": coded(language, LANGUAGE_NAMES),
            "sab": coded(source, [s.sab for s in SOURCES]),
            "tty": coded(atoms.tty, KINDS),
            "code_prefix": coded(source, [s.code_prefix for s in SOURCES]),
            "code": _codes(concept, source),
            "identifies": coded(IDENTIFIES_OF[source], IDENTIFIES),
            "srl": CATEGORY_OF[source],
            "suppress": coded(_suppression(concept, atom, atoms.tty), ["N", "O", "E", "Y"]),
            "kind": atoms.kind,
            **{name: coded(number + offset, WORDS) for name, number in words.items()},
        }
    )


def _sources(random: np.random.Generator, concept: Ints, place: Ints) -> Ints:
    """Draw sources, few of them often; every 67th concept speaks no English."""
    skewed = random.random(len(concept)) ** 3
    english = ENGLISH[(skewed * len(ENGLISH)).astype(np.int64)]
    foreign = FOREIGN[random.integers(0, len(FOREIGN), len(concept))]
    first = (place == 0) & (concept % 67 != 11)
    speaks_english = first | ((random.random(len(concept)) < 0.7) & (concept % 67 != 11))
    return np.where(speaks_english, english, foreign)


def _name_kinds(random: np.random.Generator, atom: Ints, language: Ints) -> Ints:
    usual = np.array([BASE, BASE, INVERTED, UPPER, LONGER, LONGER, OTHER, OTHER])
    kind = usual[random.integers(0, len(usual), len(atom))]
    for every, rest, odd in ((97, 5, QUOTED), (101, 6, BACKSLASHED), (103, 8, SYMBOLS)):
        kind = np.where(atom % every == rest, odd, kind)
    kind = np.where(atom % 40_009 == 17, LONGEST, kind)
    return np.where((language > 0) & (kind != LONGEST), FOREIGN_WORDS, kind)


def _string_numbers(atom: Ints, base: Ints, kind: Ints, language: Ints) -> tuple[Ints, Ints]:
    """Give each atom the number of the first one with the same string (SUI) or term (LUI)."""
    own = 200 + atom - atom[0]
    string = np.where(kind <= UPPER, kind, np.where(kind == FOREIGN_WORDS, 100 + language, own))
    term = np.where(kind <= UPPER, 0, string)
    width = 200 + len(atom)
    return _firsts(base * width + string, atom), _firsts(base * width + term, atom)


def _firsts(key: Ints, atom: Ints) -> Ints:
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    return np.asarray(atom[first[which]])


def _preference(
    concept: Ints, language: Ints, rank: Ints, atom: Ints, sui: Ints, lui: Ints
) -> dict[str, Bools]:
    """Flag, by concept and language, the best term, its best string and that string's best atom."""
    order = np.lexsort((atom, -rank, language, concept))
    group = (concept * len(LANGUAGES) + language)[order]
    best_lui = lui[order][_first_of_each(group)]
    flags = {
        "term": lui[order] == best_lui,
        "form": sui[order] == sui[order][_first_of_each(group, lui[order])],
        "string": np.arange(len(atom)) == _first_of_each(group, sui[order]),
    }
    back = np.argsort(order, kind="stable")
    return {name: flag[back] for name, flag in flags.items()}


def _first_of_each(*keys: Ints) -> Ints:
    """Return, for each position, the first position at which all ``keys`` are the same."""
    stacked = keys[0] if len(keys) == 1 else _paired(*keys)
    _, first, which = np.unique(stacked, return_index=True, return_inverse=True)
    return np.asarray(first[which])


def _paired(one: Ints, other: Ints) -> Ints:
    compact = np.unique(other, return_inverse=True)[1]
    return np.asarray(one * (len(other) + 1) + compact)


def _codes(concept: Ints, source: Ints) -> pa.Array:
    """Take codes from the concept, or the concept before; the first source has no codes."""
    shared = (concept % 53 == 9) & (concept > 0)
    code = np.where(shared, concept - 1, concept)
    return pa.array(code, mask=source == 0)


def _suppression(concept: Ints, atom: Ints, tty: Ints) -> Ints:
    """Return 0 for N, 1 for O, 2 for E, 3 for Y; every 83rd concept is wholly obsolete."""
    by_type = np.where(np.isin(tty, SUPPRESSIBLE), 3, 0)
    edited = np.where(atom % 307 == 12, 2, by_type)
    return np.where((atom % 37 == 3) | (concept % 83 == 21), 1, edited)
