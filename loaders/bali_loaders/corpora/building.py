"""Files to one linked corpus: several at a time, and on from where the last attempt stopped."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bali_loaders.corpora.documents import Document
from bali_loaders.corpora.formats import read_documents
from bali_loaders.corpora.listing import choose_documents, list_documents
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.text.corpus import CorpusInfo, Sentence, join_corpora, open_corpus, write_corpus

_ROWS_PER_PART = 50_000


@dataclass
class Notes:
    """What a conversion counts: sentences, names, annotations; and identifiers by vocabulary."""

    counts: Counter[str] = field(default_factory=Counter)
    identifiers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, details: dict[str, Any]) -> None:
        """Add what the details of a piece say."""
        self.counts.update(details["counts"])
        for vocabulary, outcomes in details["identifiers"].items():
            self.identifiers[vocabulary].update(outcomes)

    def as_details(self) -> dict[str, Any]:
        """Return what a corpus keeps of them."""
        return {"counts": self.counts, "identifiers": self.identifiers}


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
    jobs: int = 1,
    reporter: Reporter = QUIET,
) -> CorpusInfo:
    """Convert files, ``jobs`` at a time, and write what comes out in their order.

    Each finished file is kept beside ``folder`` until the corpus is whole, so that the same call
    goes on where an earlier one was stopped. A worker holds no more than one part in memory;
    choosing among the documents takes some 40 bytes for each.
    """
    work = folder.with_name(f".{folder.name}.pieces")
    how = repr((convert, graph_version, details))
    _begin(work, {"files": [_fingerprint(file) for file in files], "how": how})
    notes = Notes()
    lists = [work / f"list-{number:05d}.npy" for number in range(len(files))]
    pieces = [work / f"piece-{number:05d}" for number in range(len(files))]
    _each(_list, zip(files, lists, strict=True), jobs, "Listing documents", reporter)
    chosen = choose_documents([np.load(path) for path in lists], notes.counts)
    work_on = partial(_convert, convert, graph_version)
    _each(work_on, zip(files, pieces, chosen, strict=True), jobs, "Linking files", reporter)
    for piece in pieces:
        notes.add(open_corpus(piece).details)
    info = join_corpora(
        folder,
        pieces,
        name=folder.name,
        graph_version=graph_version,
        details=details | notes.as_details(),
    )
    shutil.rmtree(work)
    return info


def _begin(work: Path, plan: dict[str, Any]) -> None:
    """Keep what an earlier attempt at the same plan left behind, and nothing else."""
    path, text = work / "plan.json", json.dumps(plan)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")


def _fingerprint(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise BaliError(f"cannot read {path}: {error.strerror}") from None
    return str(path.absolute()), found.st_size, found.st_mtime_ns


def _list(file: Path, result: Path) -> None:
    if not result.exists():
        partial_result = result.with_suffix(".part.npy")
        np.save(partial_result, list_documents(file))
        partial_result.rename(result)


def _convert(
    convert: Conversion, graph_version: str, file: Path, piece: Path, chosen: NDArray[np.bool_]
) -> None:
    if piece.is_dir():
        return
    notes = Notes()
    documents = compress(read_documents(file), chosen)
    write_corpus(
        piece,
        convert(documents, notes),
        name=file.name,
        graph_version=graph_version,
        # Filled while the sentences pass.
        details=notes.as_details(),
        rows_per_part=_ROWS_PER_PART,
    )


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
