"""Linked corpora: the contract between whoever links text and whoever trains on it.

A linked corpus is a folder that holds ``part-*.parquet`` (schema :data:`SCHEMA`, one row a
sentence) and ``corpus.json`` (:class:`CorpusInfo`). Writers build it beside its final place and
rename it, so that a corpus that exists is whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from bali_platform.base.errors import BaliError

SCHEMA = pa.schema(
    [
        pa.field("document", pa.string(), nullable=False),
        pa.field("sentence", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field(
            "mentions",
            pa.list_(
                pa.struct(
                    [
                        pa.field("start", pa.int32(), nullable=False),
                        pa.field("end", pa.int32(), nullable=False),
                        pa.field("cui", pa.string(), nullable=False),
                    ]
                )
            ),
            nullable=False,
        ),
    ]
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A linked span: characters ``start`` to ``end`` (exclusive) of the sentence name ``cui``."""

    start: int
    end: int
    cui: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One row of a linked corpus."""

    document: str
    sentence: int
    text: str
    mentions: tuple[Mention, ...]


class CorpusInfo(BaseModel):
    """What a linked corpus says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    graph_version: str
    sentences: int
    mentions: int
    concepts: int
    sha: str
    details: dict[str, Any] = {}


def write_corpus(
    folder: Path,
    sentences: Iterable[Sentence],
    *,
    name: str,
    graph_version: str,
    details: dict[str, Any] | None = None,
    rows_per_part: int = 200_000,
) -> CorpusInfo:
    """Write ``sentences`` in order and return the corpus's description.

    An existing corpus at ``folder`` is replaced once the new one is whole.
    """
    building = _fresh(folder)
    digest = blake2b(digest_size=16)
    concepts: set[str] = set()
    count = mentions = 0
    for part, rows in enumerate(_chunks(sentences, rows_per_part)):
        for row in rows:
            digest.update(repr((row.document, row.sentence, row.text, row.mentions)).encode())
            concepts.update(mention.cui for mention in row.mentions)
            mentions += len(row.mentions)
        count += len(rows)
        table = pa.Table.from_pylist([_as_row(row) for row in rows], schema=SCHEMA)
        pq.write_table(table, building / f"part-{part:05d}.parquet", compression="zstd")
    info = CorpusInfo(
        name=name,
        graph_version=graph_version,
        sentences=count,
        mentions=mentions,
        concepts=len(concepts),
        sha=digest.hexdigest(),
        details=details or {},
    )
    _finish(building, folder, info)
    return info


def join_corpora(
    folder: Path,
    pieces: Sequence[Path],
    *,
    name: str,
    graph_version: str,
    details: dict[str, Any] | None = None,
) -> CorpusInfo:
    """Make one corpus of several, in their order, without copying what they hold.

    The pieces stay as they are: their parts are linked into the new corpus.
    """
    building = _fresh(folder)
    infos = [open_corpus(piece) for piece in pieces]
    concepts: set[str] = set()
    parts = [part for piece in pieces for part in sorted(piece.glob("part-*.parquet"))]
    for number, part in enumerate(parts):
        (building / f"part-{number:05d}.parquet").hardlink_to(part)
        mentions = pq.read_table(part, columns=["mentions"])["mentions"]
        cuis = pc.struct_field(pc.list_flatten(mentions), "cui")
        concepts.update(pc.unique(cuis).to_pylist())
    info = CorpusInfo(
        name=name,
        graph_version=graph_version,
        sentences=sum(info.sentences for info in infos),
        mentions=sum(info.mentions for info in infos),
        concepts=len(concepts),
        sha=blake2b("".join(info.sha for info in infos).encode(), digest_size=16).hexdigest(),
        details=details or {},
    )
    _finish(building, folder, info)
    return info


def open_corpus(folder: Path) -> CorpusInfo:
    """Read a corpus's description; raises :class:`BaliError` when ``folder`` is not a corpus."""
    try:
        return CorpusInfo.model_validate_json((folder / "corpus.json").read_bytes())
    except FileNotFoundError:
        raise BaliError(f"{folder} is not a linked corpus: make one with `bali corpus`") from None
    except ValidationError as error:
        raise BaliError(
            f"{folder / 'corpus.json'} is damaged: {error.errors()[0]['msg']}"
        ) from None


def read_sentences(folder: Path) -> Iterator[Sentence]:
    """Yield a corpus's sentences in order, one part in memory at a time."""
    for part in sorted(folder.glob("part-*.parquet")):
        for batch in pq.ParquetFile(part).iter_batches():
            for row in batch.to_pylist():
                spans = tuple(Mention(**mention) for mention in row.pop("mentions"))
                yield Sentence(**row, mentions=spans)


def _fresh(folder: Path) -> Path:
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    return building


def _finish(building: Path, folder: Path, info: CorpusInfo) -> None:
    (building / "corpus.json").write_text(info.model_dump_json(indent=2), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def _as_row(sentence: Sentence) -> dict[str, Any]:
    spans = [{"start": m.start, "end": m.end, "cui": m.cui} for m in sentence.mentions]
    return {
        "document": sentence.document,
        "sentence": sentence.sentence,
        "text": sentence.text,
        "mentions": spans,
    }


def _chunks(sentences: Iterable[Sentence], size: int) -> Iterator[list[Sentence]]:
    chunk: list[Sentence] = []
    for sentence in sentences:
        chunk.append(sentence)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
