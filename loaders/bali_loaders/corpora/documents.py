"""Documents with annotations, whatever format they come in."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from bali_platform.errors import BaliError, UsageError

__all__ = ["Annotation", "Document", "Reader", "checked", "lines_of", "open_bytes"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """A span that somebody marked: characters ``start`` to ``end`` (exclusive) of the document.

    ``identifiers`` are as the source writes them (``MESH:D003920``, ``C0011849``, ``-1``); several
    when it gives several. ``surface`` is the text that the source says is there, None if it does
    not; ``kind`` is its type (``Disease``), which tells what a bare identifier belongs to.
    """

    start: int
    end: int
    identifiers: tuple[str, ...]
    kind: str = ""
    surface: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A text and what is marked in it."""

    id: str
    text: str
    annotations: tuple[Annotation, ...] = ()


def checked(document: Document, counts: Counter[str]) -> Document:
    """Return the document without annotations whose offsets do not fit its text, counting them."""
    fitting = tuple(a for a in document.annotations if _fits(a, document.text))
    counts["annotations"] += len(document.annotations)
    counts["annotations that do not match the text"] += len(document.annotations) - len(fitting)
    return Document(document.id, document.text, fitting)


def _fits(annotation: Annotation, text: str) -> bool:
    inside = 0 <= annotation.start < annotation.end <= len(text)
    span = text[annotation.start : annotation.end]
    return inside and span.strip() != "" and annotation.surface in (None, span)


def open_bytes(path: Path) -> BufferedIOBase:
    """Open a file, unpacking ``.gz`` on the way."""
    try:
        return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


Reader = Callable[[Path], Iterator[Document]]


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a UTF-8 file, without their ends."""
    number = 0
    with open_bytes(path) as file:
        try:
            for number, line in enumerate(file, 1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise BaliError(
                f"{path}, line {number}: not UTF-8 ({error.reason}): convert the file"
            ) from None
        except (EOFError, OSError) as error:
            raise BaliError(f"{path}: damaged after line {number} ({error})") from None
