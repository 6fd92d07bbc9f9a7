"""What the terminology answers with: small frozen records, all of plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bali_platform.graph.records import Concept, Records, SearchHit

Basis = Literal["MRHIER", "relations"]
UMLS = "UMLS"
"""The vocabulary whose codes are the CUIs themselves."""


@dataclass(frozen=True, slots=True)
class Source:
    """A vocabulary of the graph, what it holds of it, and the other names it goes by."""

    sab: str
    name: str
    version: str
    language: str
    licence_category: int | None
    atoms: int
    concepts: int
    facts: int
    definitions: int
    prefix: str
    uri: str
    fhir: str
    oid: str


@dataclass(frozen=True, slots=True)
class Atom:
    """One term of a vocabulary: a row of the table of a concept's codes."""

    aui: str
    source: str
    code: str
    term_type: str
    term: str
    language: str
    suppressed: bool


@dataclass(frozen=True, slots=True)
class CodedConcept:
    """A vocabulary's code, its best term there, and the concept which that term belongs to.

    ``others`` are further concepts to which less preferred terms of the code belong. It is
    ``active`` unless all its terms are suppressed, and ``preferred`` when the term is one that
    names the code itself.
    """

    source: str
    code: str
    name: str
    cui: str
    concept: str
    semantic_types: tuple[str, ...]
    groups: tuple[str, ...]
    active: bool
    others: tuple[str, ...] = ()
    preferred: bool = True

    def __str__(self) -> str:
        return written(self.source, self.code)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a written code stands for; ``suggestions`` are near misses where it is unknown."""

    asked: str
    status: Literal["found", "ambiguous", "unknown"]
    codes: tuple[CodedConcept, ...]
    suggestions: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether a code is one of its vocabulary and the display, if given, a term of it."""

    asked: str
    valid: bool
    code: CodedConcept | None
    message: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition and the vocabulary that gives it."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class SemanticType:
    """A semantic type and its group."""

    tui: str
    name: str
    group: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where a vocabulary places one of a concept's codes: its parents, how many children."""

    source: str
    code: str
    name: str
    parents: tuple[str, ...]
    children: int


@dataclass(frozen=True, slots=True)
class Details:
    """Everything about a concept; ``note`` says how what was asked for led to it."""

    asked: str
    note: str
    concept: Concept
    atoms: tuple[Atom, ...]
    definitions: tuple[Definition, ...]
    semantic_types: tuple[SemanticType, ...]
    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and what it tried, in order."""

    hits: Records[SearchHit]
    tried: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A code in a hierarchy or value set, ``steps`` from where one asked; 0 in a value set."""

    source: str
    code: str
    name: str
    cui: str
    steps: int = 0

    def __str__(self) -> str:
        return written(self.source, self.code)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Codes above, below or beside one, nearest first, as ``source`` states it.

    ``basis`` is ``MRHIER`` where atoms are joined, or ``relations`` where the vocabulary's own
    PAR/CHD and isa relations are, which hold between concepts. ``cycles`` are codes that are above
    themselves, each with the way round.
    """

    code: CodedConcept
    source: str
    basis: Basis
    members: Records[Member]
    cycles: tuple[tuple[str, ...], ...] = ()


Status = Literal["mapped", "ambiguous", "unmapped", "unknown"]
Outcome = Literal["equivalent", "subsumes", "subsumed-by", "not-subsumed"]


@dataclass(frozen=True, slots=True)
class Subsumption:
    """How A stands to B: ``subsumes`` when B is a kind of A, by what ``source`` states."""

    a: CodedConcept
    b: CodedConcept
    outcome: Outcome
    source: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Expansion:
    """A value set written out: a page of ``total`` codes, on which release."""

    expression: str
    total: int
    members: Records[Member]
    release: str
    graph_version: str
    cycles: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class MapRow:
    """A code and one target: why they belong together, or that nothing was found.

    ``method`` is ``concept`` (both name one), ``rule`` (a map set says so) or ``ancestor`` (the
    nearest one with a target, ``steps`` up). ``ambiguous`` marks codes with several targets. A rule
    of a map set has a ``group``, its ``rank`` (priority) there, when it holds, and ``advice``.
    """

    asked: str
    source: str
    code: str
    name: str
    status: Status
    target: str
    target_code: str
    target_name: str
    relation: str
    method: str
    steps: int
    cui: str
    concept: str
    map_set: str
    group: str
    rank: str
    rule: str
    advice: str
    note: str
    release: str


def written(source: str, code: str) -> str:
    """Return a code with its vocabulary, as every command reads it.

    >>> written("MSH", "D009203"), written("HPO", "HP:0001658")
    ('MSH:D009203', 'HPO:HP:0001658')
    """
    return f"{source}:{code}"
