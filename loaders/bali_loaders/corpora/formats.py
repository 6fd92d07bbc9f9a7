"""Which reader a file needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bali_loaders.corpora.documents import Document, Reader
from bali_loaders.corpora.json_files import read_json, read_jsonl
from bali_loaders.corpora.pubtator import read_pubtator
from bali_loaders.corpora.tables import read_csv, read_text
from bali_loaders.corpora.xml_files import read_xml
from bali_platform.base.errors import UsageError

READERS: dict[str, Reader] = {
    ".pubtator": read_pubtator,
    ".xml": read_xml,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_text,
}


def read_documents(path: Path) -> Iterator[Document]:
    """Yield the documents of a file, in the format that its ending (before ``.gz``) names."""
    if not path.is_file():
        raise UsageError(f"no file {path}")
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    reader = READERS.get(ending.lower())
    if reader is None:
        raise UsageError(f"{path}: unknown format '{ending}': one of {', '.join(READERS)} (.gz)")
    return reader(path)
