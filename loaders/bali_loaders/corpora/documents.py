"""Documents with annotations, whatever format they come in."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from io import BufferedIOBase
from pathlib import Path

from bali_platform.base.errors import BaliError, UsageError

_SEVERAL = re.compile(r"[|;,+]")


@dataclass(frozen=True, slots=True)
class Annotation:
    """A span that somebody marked: characters ``start`` to ``end`` (exclusive) of the document.

    ``identifiers`` are as the source writes them (``MESH:D003920``, ``C0011849``, ``-1``); several
    when it gives several. ``surface`` is the text that the source says is there, None if it does
    not; ``kind`` is its type (``Disease``), which tells what a bare identifier belongs to. Of a
    discontinuous mention, ``start`` and ``end`` are those of the hull.
    """

    start: int
    end: int
    identifiers: tuple[str, ...]
    kind: str = ""
    surface: str | None = None
    discontinuous: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """That a document relates two things, named by their identifiers."""

    kind: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text and what is marked in it.

    One that ``replaces`` stands for all that came before under its id, as records of MEDLINE do;
    where its text is empty, they are deleted.
    """

    id: str
    text: str
    annotations: tuple[Annotation, ...] = ()
    relations: tuple[Relation, ...] = ()
    replaces: bool = False


def checked(document: Document, counts: Counter[str]) -> Document:
    """Return the document without annotations that cannot be a span of its text, counting them.

    Overlapping annotations are kept, and counted.
    """
    whole = [a for a in document.annotations if not a.discontinuous]
    fitting = tuple(a for a in whole if _fits(a, document.text))
    counts["annotations"] += len(document.annotations)
    counts["discontinuous annotations"] += len(document.annotations) - len(whole)
    counts["annotations that do not match the text"] += len(whole) - len(fitting)
    counts["overlapping annotations"] += _overlapping(fitting)
    return replace(document, annotations=fitting)


def split_identifiers(text: str, kind: str = "") -> tuple[str, ...]:
    """Take composite identifiers apart; those of variants (``c|SUB|A|123|G``) are one.

    >>> split_identifiers("D003920|D006973")
    ('D003920', 'D006973')
    """
    is_variant = any(word in kind.lower() for word in ("variant", "mutation", "snp"))
    parts = [text] if is_variant else _SEVERAL.split(text)
    return tuple(part.strip() for part in parts if part.strip())


def _fits(annotation: Annotation, text: str) -> bool:
    inside = 0 <= annotation.start < annotation.end <= len(text)
    span = text[annotation.start : annotation.end]
    return inside and span.strip() != "" and annotation.surface in (None, span)


def _overlapping(annotations: Iterable[Annotation]) -> int:
    count = reach = 0
    for annotation in sorted(annotations, key=lambda a: a.start):
        count += annotation.start < reach
        reach = max(reach, annotation.end)
    return count


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
