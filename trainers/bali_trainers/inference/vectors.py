"""Vectors of concepts by a language model: into the graph, and into Parquet.

A concept's vector is that of its preferred name: the mean of the name's token states, at unit
length. One name and not the mean of all: it costs a quarter of the time, anybody can make it again
from the name, and a synonym that resembles another concept cannot pull it away.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.graph.client import Graph
from bali_platform.graph.vectors import Maker, Vectors
from bali_trainers.inference.embedding import PLAIN, NameEncoder, Setup

Rows = Sequence[tuple[str, str]]
Names = Collection[str] | None


class ConceptEncoder:
    """A model that makes the vectors of concepts, and of the texts to compare with them."""

    def __init__(self, model: str, setup: Setup = PLAIN) -> None:
        self._encoder = NameEncoder(model, setup)
        name = str(Path(model).resolve()) if Path(model).is_dir() else model
        self.maker = Maker(name, self._encoder.digest, self._encoder.width)

    @classmethod
    def of_graph(
        cls, vectors: Vectors, model: str | None = None, *, device: str = "auto"
    ) -> ConceptEncoder:
        """Open the model that made the graph's vectors, from where it was, or from ``model``.

        Raises :class:`BaliError` when there are no vectors, or when it is another model.
        """
        maker = vectors.require()
        encoder = cls(model or maker.model, Setup(device=device))
        if encoder.maker.digest != maker.digest:
            raise BaliError(
                f"the graph's vectors are of {maker.model} as it was, not of "
                f"{encoder.maker.model} as it is: give --model, or run `bali embed` with --replace"
            )
        return encoder

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors ``[N, d]`` of names, encoded shortest first in batches."""
        embedded = self._encoder.encode(texts)
        return embedded.vectors[embedded.row]


def embed_graph(
    encoder: ConceptEncoder,
    vectors: Vectors,
    *,
    groups: Names = None,
    sources: Names = None,
    replace: bool = False,
    reporter: Reporter = QUIET,
) -> int:
    """Write the vectors that are missing, index them, and return how many were written.

    Killed, it goes on where it was. ``groups`` and ``sources`` as in
    :meth:`~bali_platform.graph.vectors.Vectors.count`. Raises :class:`BaliError` when the graph
    holds another model's vectors, unless they are to be replaced.
    """
    vectors.begin(encoder.maker, replace=replace)
    total = vectors.count(groups=groups, sources=sources)
    with reporter.step("encode concepts", total) as step:
        for rows in vectors.pending(groups=groups, sources=sources):
            made = encoder.encode([name for _, name in rows]).tolist()
            vectors.write([(cui, vector) for (cui, _), vector in zip(rows, made, strict=True)])
            step.advance(len(rows))
    with reporter.step("index vectors"):
        vectors.finish(encoder.maker)
    return total


def write_parquet(
    encoder: ConceptEncoder,
    graph: Graph,
    file: Path,
    *,
    groups: Names = None,
    sources: Names = None,
    from_graph: bool = False,
    reporter: Reporter = QUIET,
) -> int:
    """Write ``cui``, ``name`` and ``embedding`` of concepts to a Parquet file; return how many.

    Killed, it goes on after the last whole part; the file appears when it is whole, and replaces
    one of that name. ``from_graph`` takes vectors that :func:`embed_graph` wrote.
    """
    vectors = Vectors(graph)
    identity: dict[str, object] = {
        "model": encoder.maker.model,
        "digest": encoder.maker.digest,
        "graph_version": graph.version,
        "groups": sorted(groups or ()),
        "sources": sorted(sources or ()),
    }
    schema = _schema(encoder.maker.dimensions, identity)
    make = _reader(vectors) if from_graph else _encode(encoder)
    parts = _Parts(file, identity)
    total = vectors.count(groups=groups, sources=sources, missing_only=False)
    with reporter.step(f"write {file.name}", total) as step:
        step.advance(parts.rows)
        chunks = vectors.pending(
            groups=groups, sources=sources, missing_only=False, after=parts.last
        )
        for rows in chunks:
            parts.add(_table(rows, make(rows), schema))
            step.advance(len(rows))
        parts.join(schema)
    return total


class _Parts:
    """What there is of a Parquet file that is being written, each part whole."""

    def __init__(self, file: Path, identity: dict[str, object]) -> None:
        self._file = file
        self._folder = file.with_name(f".{file.name}.parts")
        described = self._folder / "identity.json"
        text = json.dumps(identity)
        if not described.exists() or described.read_text(encoding="utf-8") != text:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            described.write_text(text, encoding="utf-8")
        found = [pq.ParquetFile(path) for path in self._paths()]
        self.rows = sum(part.metadata.num_rows for part in found)
        self.last = found[-1].read(["cui"])["cui"][-1].as_py() if found else ""

    def add(self, table: pa.Table) -> None:
        """Write the next part."""
        path = self._folder / f"part-{len(self._paths()):06d}.parquet"
        with new_file(path) as building:
            pq.write_table(table, building)

    def join(self, schema: pa.Schema) -> None:
        """Make the file of all parts, and remove them."""
        with new_file(self._file) as building, pq.ParquetWriter(building, schema) as writer:
            for path in self._paths():
                writer.write_table(pq.read_table(path, schema=schema))
        shutil.rmtree(self._folder)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("part-*.parquet"))


def _schema(width: int, identity: dict[str, object]) -> pa.Schema:
    return pa.schema(
        [
            pa.field("cui", pa.string(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            pa.field("embedding", pa.list_(pa.float32(), width)),
        ],
        metadata={"bali": json.dumps(identity)},
    )


def _table(rows: Rows, made: Sequence[object], schema: pa.Schema) -> pa.Table:
    cuis, names = zip(*rows, strict=True)
    return pa.Table.from_arrays(
        [pa.array(cuis), pa.array(names), pa.array(made, schema.field("embedding").type)],
        schema=schema,
    )


def _encode(encoder: ConceptEncoder) -> Callable[[Rows], Sequence[object]]:
    return lambda rows: list(encoder.encode([name for _, name in rows]))


def _reader(vectors: Vectors) -> Callable[[Rows], Sequence[object]]:
    return lambda rows: vectors.read([cui for cui, _ in rows])
