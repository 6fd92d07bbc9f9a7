"""Files to one linked corpus: several at a time, and on from where the last attempt stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from bali_loaders.corpora.documents import Document
from bali_loaders.corpora.formats import read_documents
from bali_loaders.corpora.inputs import Input, find_inputs
from bali_loaders.corpora.listing import Chosen, Listing, choose_documents, list_documents
from bali_loaders.corpora.sources import UNREAD, Notes
from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file
from bali_platform.base.garbage import rare_collections
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.text.corpus import CorpusInfo, Sentence, join_corpora, open_corpus, write_corpus
from bali_platform.text.documents import text_writer

_ROWS_PER_PART = 50_000
_MOST_PIECES = 1_000


@dataclass(frozen=True)
class Reading:
    """How files are read: in which encoding, and whether what is bad stops everything."""

    encoding: str = "utf-8"
    strict: bool = False

    def documents(self, inputs: Iterable[Input], notes: Notes) -> Iterator[Document]:
        """Yield the documents of the inputs; what is wrong with one goes to ``notes``."""
        kept = None if self.strict else notes
        for found in inputs:
            try:
                yield from read_documents(found.path, kept, name=found.name, encoding=self.encoding)
            except BaliError as error:
                if self.strict:
                    raise
                notes.fault(str(error), UNREAD)


READING = Reading()


class Workers(Protocol):
    """Others who do the pieces of a corpus, see :mod:`bali_loaders.corpora.handing_out`."""

    def each(
        self,
        kind: Literal["list", "convert"],
        items: Sequence[tuple[Any, ...]],
        title: str,
        reporter: Reporter,
    ) -> None:
        """Have :func:`list_piece` or :func:`convert_piece` done with every item."""


class Conversion(Protocol):
    """Turns documents into linked sentences, in whatever process; its repr tells what it does."""

    def __call__(self, documents: Iterable[Document], notes: Notes) -> Iterator[Sentence]:
        """Yield the sentences of the documents, in order, and note what was left out."""


def build_corpus(
    files: Sequence[Path],
    folder: Path,
    convert: Conversion,
    *,
    graph_version: str,
    details: dict[str, Any],
    reading: Reading = READING,
    jobs: int = 1,
    workers: Workers | None = None,
    reporter: Reporter = QUIET,
) -> CorpusInfo:
    """Convert files, folders and zips, ``jobs`` at a time, and write what comes out in their order.

    ``workers`` on any machine do the same in place of this one.

    Each finished file (of many thousands: each few) is kept beside ``folder`` until the corpus is
    whole, so that the same call goes on where an earlier one was stopped. A worker holds no more
    than one part in memory; choosing among the documents takes some 40 bytes for each. Documents
    that cannot be read are left out and told, and so are files that are broken somewhere; where
    nothing is left, the first of them raises :class:`BaliError`.
    """
    work = folder.with_name(f".{folder.name}.pieces")
    how = repr((convert, graph_version, details, reading))
    _begin(work, {"files": [_fingerprint(file) for file in files], "how": how})
    notes = Notes()
    inputs = find_inputs(files, work, None if reading.strict else notes)
    if not inputs:
        shutil.rmtree(work)
        raise BaliError(notes.faults[0])
    groups = _grouped(inputs)
    lists = [work / f"list-{number:05d}.npy" for number in range(len(groups))]
    pieces = [work / f"piece-{number:05d}" for number in range(len(groups))]
    to_list = list(zip(groups, lists, strict=True))
    if workers is None:
        _each(partial(list_piece, reading), to_list, jobs, "List files", reporter)
    else:
        workers.each("list", to_list, "List files", reporter)
    chosen = choose_documents([np.load(path) for path in lists], notes.counts)
    if not any(numbers.any() for numbers in chosen):
        try:
            _refuse_nothing(inputs, reading, notes)
        finally:
            shutil.rmtree(work)
    to_link = list(zip(groups, pieces, chosen, strict=True))
    if workers is None:
        work_on = partial(convert_piece, convert, graph_version, reading)
        _each(work_on, to_link, jobs, "Linking files", reporter)
    else:
        workers.each("convert", to_link, "Linking files", reporter)
    for piece in pieces:
        notes.add(open_corpus(piece).details)
    info = join_corpora(
        folder,
        pieces,
        name=folder.name,
        graph_version=graph_version,
        details=details | notes.as_details(),
        texts=[texts_of(piece) for piece in pieces],
    )
    shutil.rmtree(work)
    return info


def _grouped(inputs: Sequence[Input]) -> list[Sequence[Input]]:
    size = -(-len(inputs) // _MOST_PIECES) or 1
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]


def _refuse_nothing(inputs: Sequence[Input], reading: Reading, notes: Notes) -> None:
    for _ in Reading(reading.encoding, strict=True).documents(inputs, notes):
        pass
    raise BaliError(
        f"nothing to read in {inputs[0].path}{' and others' if len(inputs) > 1 else ''}: "
        + (", ".join(f"{count} {what}" for what, count in (+notes.counts).items()) or "no document")
    )


def _begin(work: Path, plan: dict[str, Any]) -> None:
    """Keep what an earlier attempt at the same plan left behind, and nothing else."""
    path, text = work / "plan.json", json.dumps(plan)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")


def _fingerprint(path: Path) -> tuple[str, int, int, int]:
    """Tell a file, or what a folder holds, from what may be there later."""
    try:
        found = [path.stat(), *(one.stat() for one in path.rglob("*") if one.exists())]
    except OSError as error:
        raise BaliError(f"cannot read {path}: {error.strerror}") from None
    sizes = sum(one.st_size for one in found)
    return str(path.absolute()), len(found), sizes, max(one.st_mtime_ns for one in found)


def list_piece(reading: Reading, inputs: Sequence[Input], result: Path) -> None:
    """Describe the documents of some files in the file ``result``."""
    if not result.exists():
        with new_file(result) as building, building.open("wb") as file:
            np.save(file, np.concatenate([_listing(reading, found) for found in inputs]))


def _listing(reading: Reading, found: Input) -> Listing:
    notes = Notes()
    listing = list_documents(reading.documents([found], notes))
    listing["broken"] = notes.counts[UNREAD] > 0
    return listing


def convert_piece(
    convert: Conversion,
    graph_version: str,
    reading: Reading,
    inputs: Sequence[Input],
    piece: Path,
    chosen: Chosen,
) -> None:
    """Make a corpus in ``piece`` of the chosen documents of some files, and keep their texts."""
    if piece.is_dir():
        return
    notes = Notes()
    documents = _kept(_chosen(reading.documents(inputs, notes), chosen), texts_of(piece))
    with rare_collections():
        write_corpus(
            piece,
            convert(documents, notes),
            name=inputs[0].name,
            graph_version=graph_version,
            # Filled while the sentences pass.
            details=notes.as_details(),
            rows_per_part=_ROWS_PER_PART,
        )


def texts_of(piece: Path) -> Path:
    """Return the file beside a piece that keeps the texts of its documents."""
    return piece.with_name(f"{piece.name}-documents.parquet")


def _kept(documents: Iterable[Document], path: Path) -> Iterator[Document]:
    """Yield the documents, whose texts are written as they pass."""
    with text_writer(path) as keep:
        for document in documents:
            keep(document.id, document.text)
            yield document


def _chosen(documents: Iterable[Document], numbers: Chosen) -> Iterator[Document]:
    """Yield the documents that are taken, the second of an id under an id of its own."""
    for document, number in zip(documents, numbers.tolist(), strict=True):
        if number:
            yield document if number == 1 else replace(document, id=f"{document.id}#{number}")


def _each(
    work: Callable[..., None],
    items: Iterable[tuple[Any, ...]],
    jobs: int,
    title: str,
    reporter: Reporter,
) -> None:
    todo = list(items)
    with reporter.step(title, len(todo)) as step:
        if jobs == 1 or len(todo) == 1:
            for item in todo:
                work(*item)
                step.advance()
            return
        pool = ProcessPoolExecutor(min(jobs, len(todo)), mp_context=get_context("spawn"))
        try:
            for done in as_completed([pool.submit(work, *item) for item in todo]):
                done.result()
                step.advance()
        except BrokenProcessPool:
            raise BaliError(
                "a worker was killed, perhaps for its memory: run the same command again, "
                "with fewer --jobs"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
