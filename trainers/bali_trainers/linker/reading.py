"""From a graph and an encoder to what a linker knows; from a task to mentions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.progress import QUIET, Reporter
from bali_platform.graph import Graph
from bali_platform.subgraphs import GraphNeighbourhoods
from bali_trainers.evaluation import MentionTask, NameTable
from bali_trainers.inference.embedding import NameEncoder
from bali_trainers.linker.candidates import Mentions
from bali_trainers.linker.knowledge import Knowledge, no_edges, read_edges

_AT_ONCE = 2000


def know(
    graph: Graph,
    table: NameTable,
    tasks: Sequence[MentionTask],
    encoder: NameEncoder,
    reporter: Reporter = QUIET,
    *,
    edges: bool,
) -> tuple[Knowledge, list[Mentions]]:
    """Return what the live graph says of the concepts of a dictionary, and the tasks' mentions.

    ``table`` is the dictionary, which the tasks share; without ``edges``, which take long to read,
    nobody has neighbours.
    """
    names, asked = encoder.encode_both(table.names, [name for task in tasks for name in task.names])
    linked = no_edges(len(table.cuis))
    if edges:
        with reporter.step("read neighbours"):
            linked = read_edges(GraphNeighbourhoods(graph), table.cuis)
    with reporter.step("read vocabularies"):
        sources = [own for some in _chunks(table.cuis) for own in _sources(graph, some)]
    vectors = names.vectors[names.row].astype(np.float32)
    knowledge = Knowledge(table, vectors, _marked(sources), linked)
    by_name = asked.vectors[asked.row].astype(np.float32)
    ends = list(accumulate(len(task.names) for task in tasks))
    own = np.split(by_name, ends)[: len(tasks)]
    return knowledge, [_mentions(encoder, *both) for both in zip(tasks, own, strict=True)]


def _mentions(encoder: NameEncoder, task: MentionTask, by_name: NDArray[np.float32]) -> Mentions:
    """Encode mentions in their sentences; those that are cut off there, by their name alone."""
    in_context = encoder.encode_in_context(task.spans)
    lost = ~in_context.any(axis=1)
    in_context[lost] = by_name[lost]
    return Mentions(task.names, by_name, in_context, task.document)


def joined(parts: Sequence[Mentions]) -> Mentions:
    """Return the mentions of several corpora as of one, with documents of their own."""
    documents: list[NDArray[np.int64]] = []
    for part in parts:
        documents.append(part.document + (1 + int(documents[-1].max()) if documents else 0))
    return Mentions(
        tuple(name for part in parts for name in part.names),
        np.concatenate([part.by_name for part in parts]),
        np.concatenate([part.in_context for part in parts]),
        np.concatenate(documents),
    )


def _sources(graph: Graph, cuis: Sequence[str]) -> Iterator[tuple[str, ...]]:
    found = graph.concepts(cuis)
    return (found[cui].sources for cui in cuis)


def _marked(values: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """Return which values each has, [C, K]; values are numbered as they come."""
    distinct = dict.fromkeys(value for own in values for value in own)
    place = {value: column for column, value in enumerate(distinct)}
    found = np.zeros((len(values), len(place)), dtype=np.float32)
    for row, own in enumerate(values):
        found[row, [place[value] for value in own]] = 1
    return found


def _chunks(cuis: Sequence[str]) -> Iterator[Sequence[str]]:
    return (cuis[first : first + _AT_ONCE] for first in range(0, len(cuis), _AT_ONCE))
