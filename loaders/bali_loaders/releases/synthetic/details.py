"""What else is said of each concept: MRSTY, MRDEF, MRSAT and MRHIER."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bali_loaders.releases.synthetic.shape import Bools, Ints, Shape, coded
from bali_loaders.releases.synthetic.vocabulary import SOURCES, WORDS, WORDS_PER_LANGUAGE
from bali_loaders.releases.writing import semantic_types

DEEPEST = 14
"""Levels above a concept at which every path has reached the root, whatever the size."""

ATTRIBUTES = {f"ATTRIBUTE_{letter}": f"attribute {letter}" for letter in "ABCDEFGHIJKLMNOP"}
TYPES = sorted(semantic_types())
SABS = [source.sab for source in SOURCES]


def type_batches(shape: Shape) -> Iterator[pa.RecordBatch]:
    """Yield one or two semantic types a concept, some types much more often than others."""
    trees = [semantic_types()[tui][0] for tui in TYPES]
    names = [semantic_types()[tui][1] for tui in TYPES]
    for concept, random, living in _chunks(shape, "types"):
        drawn = (len(TYPES) * random.random(len(concept)) ** 2).astype(np.int64)
        concept, drawn = concept[living], drawn[living]
        second = np.flatnonzero(concept % 8 == 3)
        owner = np.concatenate([concept, concept[second]])
        number = np.concatenate([drawn, (drawn[second] + 11) % len(TYPES)])
        yield pa.RecordBatch.from_pydict(
            {
                "concept": owner,
                "second": np.arange(len(owner)) >= len(concept),
                "tui": coded(number, TYPES),
                "stn": coded(number, trees),
                "sty": coded(number, names),
            }
        )


def definition_batches(shape: Shape) -> Iterator[pa.RecordBatch]:
    """Yield definitions, of every eleventh concept: each mentions three other concepts."""
    for chunk, random, living in _chunks(shape, "defs"):
        defined = chunk % 11 == 4
        source = random.integers(1, 40, np.count_nonzero(defined))[living[defined]]
        concept = chunk[defined & living]
        mentioned = [shape.parents(concept), concept // 2, (concept * 7 + 3) % shape.concepts]
        words = {
            f"{name}{place}": coded(shape.stems(other, place), WORDS[:WORDS_PER_LANGUAGE])
            for name, other in zip(("parent", "near", "far"), mentioned, strict=True)
            for place in range(3)
        }
        yield pa.RecordBatch.from_pydict(
            {
                "concept": concept,
                "atom": shape.first_atoms[concept],
                "sab": coded(source, SABS),
                "suppress": coded(np.where(concept % 29 == 3, 1, 0), ["N", "O"]),
                **words,
            }
        )


def attribute_batches(shape: Shape) -> Iterator[pa.RecordBatch]:
    """Yield an attribute for each concept, of its code or of its first atom."""
    for chunk, random, living in _chunks(shape, "attrs"):
        source = random.integers(1, len(SABS), len(chunk))[living]
        kind = random.integers(0, len(ATTRIBUTES), len(chunk))[living]
        concept = chunk[living]
        yield pa.RecordBatch.from_pydict(
            {
                "concept": concept,
                "atom": shape.first_atoms[concept],
                "sab": coded(source, SABS),
                "atn": coded(kind, list(ATTRIBUTES)),
                "value": coded(shape.stems(concept, 5), WORDS[:WORDS_PER_LANGUAGE]),
            }
        )


def hierarchy_batches(shape: Shape) -> Iterator[pa.RecordBatch]:
    """Yield each concept's path to the root: ``up1`` is the parent's atom, null past the root."""
    for chunk, _, living in _chunks(shape, "tree"):
        columns = {}
        here = concept = chunk[living]
        for level in range(1, DEEPEST + 1):
            above = shape.parents(here)
            columns[f"up{level}"] = pa.array(shape.first_atoms[above], mask=here == 0)
            here = above
        atom = shape.first_atoms[concept]
        yield pa.RecordBatch.from_pydict({"concept": concept, "atom": atom, **columns})


def _chunks(shape: Shape, purpose: str) -> Iterator[tuple[Ints, np.random.Generator, Bools]]:
    """Yield chunks, generators and which concepts live; draws for all are the same in editions."""
    for chunk in shape.chunks():
        yield chunk, shape.random(purpose, chunk), shape.retired_in(chunk) == 0
