"""Linked corpora: the contract between whoever links text and whoever trains on it.

A linked corpus is a folder that holds ``part-*.parquet`` (schema :data:`SCHEMA`, one row a
sentence) and ``corpus.json`` (:class:`CorpusInfo`), and maybe the texts of its documents. Writers
build it beside its final place and rename it, so that a corpus that exists is whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_folder

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
                        pa.field("score", pa.float32(), nullable=False),
                        pa.field("attributes", pa.list_(pa.string()), nullable=False),
                        pa.field("alternatives", pa.list_(pa.string()), nullable=False),
                    ]
                )
            ),
            nullable=False,
        ),
        pa.field(
            "omitted",
            pa.list_(
                pa.struct(
                    [
                        pa.field("start", pa.int32(), nullable=False),
                        pa.field("end", pa.int32(), nullable=False),
                        pa.field("candidates", pa.list_(pa.string()), nullable=False),
                    ]
                )
            ),
            nullable=False,
        ),
    ]
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A linked span: characters ``start`` to ``end`` (exclusive) of the sentence name ``cui``.

    How sure the linker was (0 to 1), what the text says of it (``negated``, ``uncertain``,
    ``historical``, ``family``, ``hypothetical``) and the other concepts that it may be are no part
    of what makes two mentions equal.
    """

    start: int
    end: int
    cui: str
    score: float = field(default=1.0, compare=False)
    attributes: tuple[str, ...] = field(default=(), compare=False)
    alternatives: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Omission:
    """A name that was left out of a sentence's mentions, and the concepts that it may mean."""

    start: int
    end: int
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One row of a linked corpus."""

    document: str
    sentence: int
    text: str
    mentions: tuple[Mention, ...]
    omitted: tuple[Omission, ...] = ()


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
    with new_folder(folder) as building:
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
        _describe(building, info)
    return info


def join_corpora(
    folder: Path,
    pieces: Sequence[Path],
    *,
    name: str,
    graph_version: str,
    details: dict[str, Any] | None = None,
    texts: Sequence[Path] = (),
) -> CorpusInfo:
    """Make one corpus of several, in their order, without copying what they hold.

    The pieces stay as they are: their parts are linked into the new corpus, and so are ``texts``,
    files of its documents' texts.
    """
    with new_folder(folder) as building:
        infos = [open_corpus(piece) for piece in pieces]
        concepts: set[str] = set()
        parts = [part for piece in pieces for part in sorted(piece.glob("part-*.parquet"))]
        for number, part in enumerate(parts):
            (building / f"part-{number:05d}.parquet").hardlink_to(part)
            mentions = pq.read_table(part, columns=["mentions"])["mentions"]
            cuis = pc.struct_field(pc.list_flatten(mentions), "cui")
            concepts.update(pc.unique(cuis).to_pylist())
        for number, path in enumerate(texts):
            (building / f"documents-{number:05d}.parquet").hardlink_to(path)
        info = CorpusInfo(
            name=name,
            graph_version=graph_version,
            sentences=sum(info.sentences for info in infos),
            mentions=sum(info.mentions for info in infos),
            concepts=len(concepts),
            sha=blake2b("".join(info.sha for info in infos).encode(), digest_size=16).hexdigest(),
            details=details or {},
        )
        _describe(building, info)
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
                spans = tuple(_mention(**mention) for mention in row.pop("mentions"))
                omitted = tuple(_omission(**omission) for omission in row.pop("omitted", ()))
                yield Sentence(**row, mentions=spans, omitted=omitted)


class AmbiguousName(NamedTuple):
    """A name in a corpus that several concepts have; ``cui`` is None where it was left out."""

    name: str
    times: int
    cui: str | None
    candidates: tuple[str, ...]


def ambiguous_names(folder: Path) -> list[AmbiguousName]:
    """Return the names that may mean several concepts, the most frequent first."""
    found: Counter[tuple[str, str | None, tuple[str, ...]]] = Counter()
    for sentence in read_sentences(folder):
        text = sentence.text
        for m in sentence.mentions:
            if m.alternatives:
                name = " ".join(text[m.start : m.end].split())
                found[name, m.cui, (m.cui, *m.alternatives)] += 1
        for left in sentence.omitted:
            found[" ".join(text[left.start : left.end].split()), None, left.candidates] += 1
    rows = (AmbiguousName(name, n, cui, own) for (name, cui, own), n in found.items())
    return sorted(rows, key=lambda row: (-row.times, row.name))


def _mention(
    start: int,
    end: int,
    cui: str,
    score: float = 1.0,
    attributes: Sequence[str] = (),
    alternatives: Sequence[str] = (),
) -> Mention:
    """Read a mention; corpora of earlier versions know only its span and concept."""
    return Mention(start, end, cui, round(score, 4), tuple(attributes), tuple(alternatives))


def _omission(start: int, end: int, candidates: Sequence[str]) -> Omission:
    return Omission(start, end, tuple(candidates))


def _describe(folder: Path, info: CorpusInfo) -> None:
    (folder / "corpus.json").write_text(info.model_dump_json(indent=2), encoding="utf-8")


def _as_row(sentence: Sentence) -> dict[str, Any]:
    return {
        "document": sentence.document,
        "sentence": sentence.sentence,
        "text": sentence.text,
        "mentions": [
            {
                "start": m.start,
                "end": m.end,
                "cui": m.cui,
                "score": m.score,
                "attributes": m.attributes,
                "alternatives": m.alternatives,
            }
            for m in sentence.mentions
        ],
        "omitted": [
            {"start": o.start, "end": o.end, "candidates": o.candidates} for o in sentence.omitted
        ],
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
