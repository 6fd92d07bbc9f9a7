"""Documents with annotations, whatever format they come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WITHOUT_PLACE = "annotations without a place"
REJECTED = "annotations that an annotator rejected"
FURTHER = "annotations by further annotators"
SUGGESTED = "annotations that a model suggested and nobody confirmed"


class MalformedError(ValueError):
    """What is wrong with one document, in words for its owner; the reader adds file and place."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A span that somebody marked: characters ``start`` to ``end`` (exclusive) of the document.

    ``identifiers`` are as the source writes them (``MESH:D003920``, ``C0011849``, ``-1``); several
    when it gives several. ``surface`` is the text that the source says is there, None if it does
    not; ``kind`` is its type (``Disease``), which tells what a bare identifier belongs to. Of a
    discontinuous mention, ``start`` and ``end`` are those of the hull.
    """

    start: int
    end: int
    identifiers: tuple[str, ...]
    kind: str = ""
    surface: str | None = None
    discontinuous: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """That a document relates two things, named by their identifiers."""

    kind: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text and what is marked in it.

    One that ``replaces`` stands for all that came before under its id, as records of MEDLINE do;
    where its text is empty, they are deleted. ``losses`` says, once for each, why annotations of
    the source are not here: :data:`WITHOUT_PLACE`, :data:`REJECTED`, :data:`FURTHER`,
    :data:`SUGGESTED`.
    """

    id: str
    text: str
    annotations: tuple[Annotation, ...] = ()
    relations: tuple[Relation, ...] = ()
    replaces: bool = False
    losses: tuple[str, ...] = ()


def hull(spots: Sequence[tuple[int, int]], text: str) -> tuple[int, int, bool]:
    """Return where several spans begin and end, and whether other text parts them.

    >>> hull([(0, 5), (6, 10)], "renal mass")
    (0, 10, False)
    """
    ordered = sorted(spots)
    gaps = [text[end:start] for (_, end), (start, _) in pairwise(ordered)]
    parted = any(gap.strip() for gap in gaps)
    return ordered[0][0], max(end for _, end in ordered), parted
