"""The files of a release, wherever they lie: a folder, a zip, or NLM's ``.nlm`` (also zips)."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from bali_platform.base.errors import BaliError, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


DEEPEST = 4
MAX_RATIO = 500
HARMLESS = 1 << 30
# A random byte in an archive's headers leads to any of these.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ArithmeticError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its path inside the release, its size in bytes and how to open it.

    ``path`` is where it lies on disk, or ``None`` inside an archive.
    """

    name: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]
    path: Path | None = None


def find_members(path: Path, stack: ExitStack) -> list[Member]:
    """List the files in ``path``, also those inside ``.nlm`` archives; ``stack`` closes archives.

    Raises :class:`UsageError` when ``path`` is no folder or zip, and :class:`BaliError` for an
    archive that is damaged or whose names lead out of it.
    """
    if path.is_dir():
        beside = _in_folder(path.parent, "NET/*", stack) if path.name == "META" else iter(())
        patterns = ("/".join("*" * depth) for depth in range(1, DEEPEST + 1))
        found = [member for pattern in patterns for member in _in_folder(path, pattern, stack)]
        return [*found, *beside]
    if not path.exists():
        raise UsageError(f"{path} does not exist: give a release folder or zip")
    if not zipfile.is_zipfile(path):
        raise UsageError(f"{path} is neither a folder nor a whole zip: fetch it again")
    return list(_in_zip(path, path.name, stack))


def _in_folder(folder: Path, pattern: str, stack: ExitStack) -> Iterator[Member]:
    for file in sorted(folder.glob(pattern)):
        name = PurePosixPath(file.relative_to(folder))
        if file.suffix == ".nlm":
            yield from _in_zip(file, file.name, stack)
        elif file.is_file():
            yield Member(name, file.stat().st_size, partial(_open_file, file), file)


def _open_file(path: Path) -> IO[bytes]:
    return path.open("rb")


def _in_zip(source: Path | IO[bytes], label: str, stack: ExitStack) -> Iterator[Member]:
    with damage_named(label):
        archive = stack.enter_context(zipfile.ZipFile(source))
    for info in archive.infolist():
        _refuse_unsafe(info, label)
        name = PurePosixPath(info.filename)
        if name.suffix == ".nlm":
            with damage_named(label):
                inner = stack.enter_context(archive.open(info))
            yield from _in_zip(inner, info.filename, stack)
        elif not info.is_dir():
            yield Member(name, info.file_size, partial(archive.open, info))


def _refuse_unsafe(info: zipfile.ZipInfo, label: str) -> None:
    name = PurePosixPath(info.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in info.filename:
        raise BaliError(f"{label}: '{info.filename}' leads out of the archive; do not use it")
    if info.file_size > max(HARMLESS, MAX_RATIO * info.compress_size):
        raise BaliError(f"{label}: '{info.filename}' unpacks to an absurd size; do not use it")


@contextmanager
def damage_named(label: str) -> Iterator[None]:
    """Turn whatever reading a damaged archive raises into one line that names ``label``."""
    try:
        yield
    except DAMAGE as error:
        raise BaliError(f"{label}: cannot be read ({error}); fetch it again") from error


class _Joined(io.RawIOBase):
    """The bytes of several members as one stream."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._members = iter(members)
        self._current: IO[bytes] = io.BytesIO()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while not (chunk := self._current.read(len(view))):
            self._current.close()
            member = next(self._members, None)
            if member is None:
                self._current = io.BytesIO()
                return 0
            self._current = member.open()
        view[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._current.close()
        super().close()


def open_joined(members: Iterable[Member], *, compressed: bool) -> IO[bytes]:
    """Open several parts as one stream of text; gzip parts are unpacked, and may cut lines."""
    joined = io.BufferedReader(_Joined(members), 1 << 20)
    return cast(IO[bytes], gzip.GzipFile(fileobj=joined) if compressed else joined)
