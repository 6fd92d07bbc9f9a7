"""Vectors of concepts: by the language model, and by the graph encoder of an aligned one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.subgraphs import NeighbourhoodSource
from bali_trainers.batches.edges import SomeEdges
from bali_trainers.batches.linearised import Lineariser
from bali_trainers.batches.names import numbered
from bali_trainers.batches.randomness import Purpose, generator
from bali_trainers.batches.trees import Trees, grow_trees
from bali_trainers.evaluation.edge_task import EdgeTask
from bali_trainers.inference.embedding import PLAIN, NameEncoder, Setup, unit_rows
from bali_trainers.models.bases import resolve_base
from bali_trainers.models.saved_graph import SavedGraph, load_graph_encoder

View = Literal["name", "graph", "alone"]
"""A concept by its preferred name, by the graph encoder, or by that without any neighbour."""

_CONCEPTS_AT_ONCE = 1024
_SEED = 20_252


def concept_vectors(
    model: str, task: EdgeTask, setup: Setup = PLAIN
) -> dict[View, NDArray[np.float32]]:
    """Return unit vectors ``[C, d]`` of the concepts of a task, in each view that a model has.

    The graph encoder reads preferred names, and neighbours drawn as in training: the same ones for
    every model with as many. Raises :class:`BaliError` for a model whose training saw the edges.
    """
    saved = load_graph_encoder(Path(resolve_base(model)))
    if saved is not None and saved.facts.withheld_edges < task.withheld:
        raise BaliError(
            f"model '{model}' was trained on the edges that it would be asked about: train it with "
            f"[data] withheld_edges = {task.withheld:g}"
        )
    encoder = NameEncoder(model, setup)
    found: dict[View, NDArray[np.float32]] = {"name": _named(encoder, task.names)}
    if saved is not None:
        reader = _SubgraphReader(encoder, saved, task.source)
        found["graph"] = reader.read(task.cuis, saved.facts.neighbours)
        found["alone"] = reader.read(task.cuis, 0)
    return found


class _SubgraphReader:
    """A graph encoder, and the neighbourhoods that it is to read."""

    def __init__(
        self, encoder: NameEncoder, saved: SavedGraph, source: NeighbourhoodSource
    ) -> None:
        self._encoder, self._facts = encoder, saved.facts
        self._graph = saved.graph.to(encoder.device)
        self._relations = {name: i for i, name in enumerate(saved.facts.relation_types)}
        # What a model has never seen it cannot read.
        self._source = SomeEdges(source, lambda cui, edge: edge.type in self._relations)

    def read(self, cuis: Sequence[str], neighbours: int) -> NDArray[np.float32]:
        """Return the unit vector of each concept with so many neighbours, ``[C, d]``."""
        chunks = [
            cuis[first : first + _CONCEPTS_AT_ONCE]
            for first in range(0, len(cuis), _CONCEPTS_AT_ONCE)
        ]
        trees = [self._draw(some, neighbours, index) for index, some in enumerate(chunks)]
        names, row = numbered([name for tree in trees for name in self._names(tree.cuis)])
        rows = np.split(row, np.cumsum([len(tree.cuis) for tree in trees])[:-1])
        sizes = [len(some) for some in chunks]
        read = self._linearised if self._facts.encoder.kind == "linearised" else self._encoded
        return unit_rows(read(trees, names, rows, sizes))

    def _draw(self, cuis: Sequence[str], neighbours: int, index: int) -> Trees:
        found = self._source.neighbourhoods(cuis).found
        return grow_trees(
            [found[cui] for cui in cuis],
            self._source,
            self._relations,
            count=neighbours,
            hops=self._facts.hops,
            random=generator(_SEED, Purpose.NEIGHBOURS, epoch=0, index=index),
            telling=self._facts.choice == "telling",
        )

    def _names(self, cuis: Sequence[str]) -> list[str]:
        names = self._source.names(sorted(set(cuis)))
        return [names[cui][0] for cui in cuis]

    def _encoded(
        self,
        trees: Sequence[Trees],
        names: Sequence[str],
        rows: Sequence[NDArray[np.int32]],
        sizes: Sequence[int],
    ) -> NDArray[np.float32]:
        states, device = self._encoder.encode(names, unit=False), self._encoder.device
        parts = []
        with torch.inference_mode():
            for tree, row, size in zip(trees, rows, sizes, strict=True):
                vectors = self._graph(
                    torch.from_numpy(states.vectors[states.row[row]].astype(np.float32)).to(device),
                    torch.from_numpy(tree.edge_index).to(device).long(),
                    torch.from_numpy(tree.edge_type).to(device).long(),
                    torch.arange(size, device=device),
                )
                parts.append(vectors.cpu().numpy())
        return np.concatenate(parts)

    def _linearised(
        self,
        trees: Sequence[Trees],
        names: Sequence[str],
        rows: Sequence[NDArray[np.int32]],
        sizes: Sequence[int],
    ) -> NDArray[np.float32]:
        linearise = Lineariser(
            self._encoder.pieces,
            self._facts.relation_types,
            name_length=self._facts.name_length,
            graph_length=self._facts.graph_length,
        )
        texts = (
            linearise(tree, *numbered([names[name] for name in row.tolist()]), size)
            for tree, row, size in zip(trees, rows, sizes, strict=True)
        )
        return np.concatenate([self._encoder.encode_first(*text) for text in texts])


def _named(encoder: NameEncoder, names: Sequence[str]) -> NDArray[np.float32]:
    embedded = encoder.encode(names)
    return embedded.vectors[embedded.row].astype(np.float32)
