"""MRREL: facts between concepts, each as a row and its inverse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from bali_loaders.releases.synthetic.shape import Ints, Shape, coded
from bali_loaders.releases.synthetic.vocabulary import RELAS, SOURCES, inverse_relas

HUBS = 5
RELS = ("CHD", "PAR", "RO", "RB", "RN", "RQ", "SIB", "SY")
INVERSE_REL = np.array([RELS.index(r) for r in ("PAR", "CHD", "RO", "RN", "RB", "RQ", "SIB", "SY")])
CHD, RO, RN, RQ, SIB, SY = (RELS.index(rel) for rel in ("CHD", "RO", "RN", "RQ", "SIB", "SY"))
NONE, ISA = 0, RELAS.index("isa")
INVERSE_RELA = np.array([RELAS.index(inverse_relas().get(rela, "")) for rela in RELAS])


@dataclass(frozen=True, slots=True)
class _Facts:
    """Columns: ``subject`` has ``rel`` and ``rela`` to ``target``, says ``source``.

    ``number`` counts the facts of a chunk, those of retired concepts too: the same in each edition.
    """

    subject: Ints
    target: Ints
    rel: Ints
    rela: Ints
    source: Ints
    number: Ints


def relation_batches(shape: Shape) -> Iterator[pa.RecordBatch]:
    """Yield the rows of each chunk of concepts; ``sql/MRREL.sql`` writes them out."""
    rows = 0
    for chunk in shape.chunks():
        batch = _rows(shape, chunk, rows)
        rows += batch.num_rows
        yield batch


def _rows(shape: Shape, chunk: Ints, before: int) -> pa.RecordBatch:
    facts = _facts(shape, chunk)
    place = np.arange(len(facts.subject))
    both = np.repeat(place, 2)
    inverse = np.tile(np.array([False, True]), len(place))
    stated_once = (facts.number % 50 == 11) & (facts.rel != SIB)
    keep = ~(inverse & stated_once[both])
    fact, inverse = both[keep], inverse[keep]
    subject, target = facts.subject[fact], facts.target[fact]
    rel, rela, number = facts.rel[fact], facts.rela[fact], facts.number[fact]
    first = np.where(inverse, subject, target)
    second = np.where(inverse, target, subject)
    suppress = np.where(number % 41 == 5, 1, np.where(number % 211 == 7, 2, 0))
    suppress = np.where(number % 61 == 9, 3, suppress)
    return pa.RecordBatch.from_pydict(
        {
            "first": first,
            "first_atom": shape.first_atoms[first],
            "second": second,
            "second_atom": shape.first_atoms[second],
            "of_concepts": subject % 5 == 0,
            "rel": coded(np.where(inverse, INVERSE_REL[rel], rel), RELS),
            "rela": coded(np.where(inverse, INVERSE_RELA[rela], rela), RELAS),
            "row": np.arange(before, before + len(fact)),
            "sab": coded(facts.source[fact], [source.sab for source in SOURCES]),
            "grouped": number % 9 == 0,
            "direction": coded(np.where(number % 3 == 0, 0, 1 + inverse), ["", "Y", "N"]),
            "suppress": coded(suppress, ["N", "O", "E", "Y"]),
        }
    )


def _facts(shape: Shape, chunk: Ints) -> _Facts:
    random = shape.random("facts", chunk)
    parts = [
        _hierarchy(shape, chunk),
        _associations(shape, chunk, random),
        _siblings(shape, chunk),
        _hubs(shape, chunk),
        _loops(chunk),
    ]
    subject, target, rel, rela, source = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    # Every tenth fact is asserted by a second source, too.
    again = np.flatnonzero(np.arange(len(subject)) % 10 == 4)
    other = 1 + (source[again] + 7) % (len(SOURCES) - 1)
    return _living(
        shape,
        _Facts(
            np.concatenate([subject, subject[again]]),
            np.concatenate([target, target[again]]),
            np.concatenate([rel, rel[again]]),
            np.concatenate([rela, rela[again]]),
            np.concatenate([source, other]),
            np.arange(len(subject) + len(again)),
        ),
    )


def _living(shape: Shape, facts: _Facts) -> _Facts:
    gone = (shape.retired_in(facts.subject) > 0) | (shape.retired_in(facts.target) > 0)
    return _Facts(*(getattr(facts, field.name)[~gone] for field in fields(facts)))


_Columns = tuple[Ints, Ints, Ints, Ints, Ints]


def _constant(like: Ints, value: int) -> Ints:
    return np.full(len(like), value, dtype=np.int64)


def _hierarchy(shape: Shape, chunk: Ints) -> _Columns:
    """Give each concept but the root a parent; three in ten hierarchies have no RELA."""
    child = chunk[chunk > 0]
    rela = np.where(child % 10 < 3, NONE, ISA)
    return child, shape.parents(child), _constant(child, CHD), rela, 1 + child % 40


def _associations(shape: Shape, chunk: Ints, random: np.random.Generator) -> _Columns:
    """Draw other facts: few targets and few relations occur often, most seldom."""
    subject = np.repeat(chunk, random.poisson(4.8, len(chunk)))
    target = (shape.concepts * random.random(len(subject)) ** 2.2).astype(np.int64)
    kind = random.integers(0, 100, len(subject))
    rel = np.select([kind < 80, kind < 93, kind < 97], [RO, RN, RQ], SY)
    drawn = 1 + ((len(RELAS) - 1) * random.random(len(subject)) ** 3).astype(np.int64)
    rela = np.where((rel == RO) & (kind >= 4), drawn, NONE)
    source = 1 + ((len(SOURCES) - 1) * random.random(len(subject)) ** 2).astype(np.int64)
    different = subject != target
    return (*(column[different] for column in (subject, target, rel, rela, source)),)


def _siblings(shape: Shape, chunk: Ints) -> _Columns:
    subject = chunk[(chunk % 2 == 0) & (chunk < chunk[-1])]
    empty = _constant(subject, NONE)
    return subject, subject + 1, _constant(subject, SIB), empty, 1 + subject % 40


def _hubs(shape: Shape, chunk: Ints) -> _Columns:
    """Join the hubs (concepts 0 to 4) to evenly spread concepts."""
    spread = np.arange(HUBS)[:, None] + np.arange(1, shape.hub_degree + 1)[None, :] * (
        (shape.concepts - 1) // shape.hub_degree
    )
    hub = np.repeat(np.arange(HUBS), shape.hub_degree)
    subject = spread.ravel() % shape.concepts
    here = (subject >= chunk[0]) & (subject <= chunk[-1]) & (subject != hub)
    rela = 2 + hub[here]
    return subject[here], hub[here], _constant(rela, RO), rela, _constant(rela, 3)


def _loops(chunk: Ints) -> _Columns:
    """Relate some concepts to themselves, as atoms of one concept are related in the UMLS."""
    concept = chunk[chunk % 97 == 13]
    return concept, concept, _constant(concept, RO), _constant(concept, 9), _constant(concept, 4)
