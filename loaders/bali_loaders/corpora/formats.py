"""Which reader a file needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bali_loaders.corpora.documents import Document
from bali_loaders.corpora.json_files import read_json, read_jsonl
from bali_loaders.corpora.pubtator import read_pubtator
from bali_loaders.corpora.sources import Notes, Source
from bali_loaders.corpora.spacy_files import read_docbin
from bali_loaders.corpora.tables import read_csv
from bali_loaders.corpora.texts import read_brat, read_text
from bali_loaders.corpora.xml_files import read_xml
from bali_platform.base.errors import UsageError

Reader = Callable[[Source], Iterator[Document]]

READERS: dict[str, Reader] = {
    ".pubtator": read_pubtator,
    ".offset": read_pubtator,
    ".xml": read_xml,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_text,
    ".ann": read_brat,
    ".spacy": read_docbin,
}


def format_of(path: Path) -> str:
    """Return the ending, before ``.gz``, that names a file's format."""
    return (Path(path.stem).suffix if path.suffix == ".gz" else path.suffix).lower()


def require_reader(path: Path) -> Reader:
    """Return the reader of a file; raises :class:`UsageError` for an unknown format."""
    reader = READERS.get(format_of(path))
    if reader is None:
        known = ", ".join(READERS)
        raise UsageError(
            f"{path}: unknown format '{format_of(path)}': one of {known} (.gz); "
            "save other texts as .txt, tables as .csv"
        )
    return reader


def read_documents(
    path: Path, notes: Notes | None = None, *, name: str = "", encoding: str = "utf-8"
) -> Iterator[Document]:
    """Yield the documents of a file, in the format that its ending (before ``.gz``) names.

    Documents that cannot be read are put down in ``notes``; without them, the first one raises
    :class:`BaliError`, as a damaged file always does. An empty file has no documents; as a text it
    is an empty one.
    """
    if not path.is_file():
        raise UsageError(f"no file {path}")
    reader = require_reader(path)
    if not path.stat().st_size and reader is not read_text:
        return iter(())
    return _sound(reader(Source(path, name or path.name, encoding, notes)), path, notes)


def _sound(documents: Iterator[Document], path: Path, notes: Notes | None) -> Iterator[Document]:
    """Yield the documents that can be written: JSON may hold halves of characters."""
    for document in documents:
        try:
            f"{document.id}{document.text}".encode()
        except UnicodeEncodeError as error:
            what = f"half a character (a lone surrogate) at {error.start - len(document.id)}"
            Source(path, "", notes=notes).fault(f"document {document.id!r}", what)
        else:
            yield document
