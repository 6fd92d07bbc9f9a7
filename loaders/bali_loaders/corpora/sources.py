"""The files that documents are read from: unpacked, decoded, and with a place for their faults."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from bali_platform.base.errors import BaliError, UsageError

UNREAD = "files that could not be read"
LONGEST = 1 << 28
"""Bytes of a line, or of a file that is one value or one text: what is longer is refused."""
_FAULTS_KEPT = 20
_DAMAGE = (EOFError, OSError, zlib.error)
_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass
class Notes:
    """What a conversion counts: sentences, names, annotations; and identifiers by vocabulary.

    ``faults`` are the first documents and files that could not be read, a line each.
    """

    counts: Counter[str] = field(default_factory=Counter)
    identifiers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: list[str] = field(default_factory=list)

    def add(self, details: dict[str, Any]) -> None:
        """Add what the details of a piece say."""
        self.counts.update(details["counts"])
        for vocabulary, outcomes in details["identifiers"].items():
            self.identifiers[vocabulary].update(outcomes)
        self.faults += details["faults"][: _FAULTS_KEPT - len(self.faults)]

    def fault(self, line: str, kind: str = "documents that could not be read") -> None:
        """Count a document, or :data:`UNREAD`, and keep the line that says why."""
        self.counts[kind] += 1
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(line)

    def as_details(self) -> dict[str, Any]:
        """Return what a corpus keeps of them."""
        return {"counts": self.counts, "identifiers": self.identifiers, "faults": self.faults}


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read: documents without an id take its ``name``.

    Faults of single documents are noted; without ``notes``, the first raises :class:`BaliError`.
    """

    path: Path
    name: str
    encoding: str = "utf-8"
    notes: Notes | None = None

    def fault(self, place: str, what: str) -> None:
        """Say what is wrong with one document."""
        where = f"{self.path}, {place}" if place else str(self.path)
        self.pass_over(BaliError(f"{where}: {what}"))

    def pass_over(self, error: BaliError) -> None:
        """Note the error of one document, or raise it."""
        if self.notes is None:
            raise error
        self.notes.fault(str(error))


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, unpacking ``.gz`` on the way; damage is told in one line."""
    try:
        opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    with opened as file:
        try:
            yield cast(IO[bytes], file)
        except _DAMAGE as error:
            raise BaliError(f"{path}: damaged or cut off ({error}): fetch it again") from None


def text_of(source: Source) -> str:
    """Return the text of a whole file, whose line ends stay as they are."""
    with unpacked(source.path) as file:
        data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise BaliError(
            f"{source.path}: longer than {LONGEST >> 20} MiB: cut it up, or write one text a line "
            "(.jsonl)"
        )
    return _decoded(data, source, 1)


def lines_of(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a file, without their ends.

    Raises :class:`BaliError` with line and byte of what is no text in the source's encoding.
    """
    # Where a line end is more than a byte, lines cannot be cut before they are decoded.
    wide = codecs.lookup(source.encoding).name.startswith(("utf-16", "utf-32"))
    number = 0
    with unpacked(source.path) as file:
        try:
            lines = _wide_lines(file, source) if wide else _byte_lines(file, source)
            for number, line in enumerate(lines, 1):
                yield number, line.rstrip("\r\n")
        except _DAMAGE as error:
            raise BaliError(f"{source.path}: damaged after line {number} ({error})") from None


def _wide_lines(file: IO[bytes], source: Source) -> Iterator[str]:
    try:
        with io.TextIOWrapper(file, source.encoding, newline="\n") as reader:
            yield from iter(lambda: reader.readline(LONGEST), "")
    except UnicodeError as error:
        raise BaliError(
            f"{source.path}: not {source.encoding.upper()} ({error}): give the file's --encoding"
        ) from None


def _byte_lines(file: IO[bytes], source: Source) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
        if len(line) == LONGEST and not line.endswith(b"\n"):
            raise BaliError(
                f"{source.path}, line {number}: longer than {LONGEST >> 20} MiB: cut it into lines"
            )
        yield _decoded(line, source, number)


def _decoded(data: bytes, source: Source, line: int) -> str:
    is_utf8 = codecs.lookup(source.encoding).name == "utf-8"
    encoding = "utf-8-sig" if is_utf8 and line == 1 else source.encoding
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BaliError(_undecodable(data, source, line, error)) from None
    if "\0" in text:
        place = line + text.count("\n", 0, text.index("\0"))
        raise BaliError(f"{source.path}, line {place}: holds a NUL byte, so it is no text file")
    return text


def _undecodable(data: bytes, source: Source, line: int, error: UnicodeDecodeError) -> str:
    begins = data.rfind(b"\n", 0, error.start) + 1
    number = line + data.count(b"\n", 0, error.start)
    place = f"line {number}, byte {error.start - begins + 1}"
    guess = next((name for mark, name in _MARKS if data.startswith(mark)), "cp1252")
    if b"\0" in data and guess == "cp1252":
        return f"{source.path}, {place}: not {source.encoding.upper()}, nor any text: a binary file"
    return (
        f"{source.path}, {place}: not {source.encoding.upper()} (0x{data[error.start]:02x}): give "
        f"the file's encoding, perhaps --encoding {guess}"
    )
