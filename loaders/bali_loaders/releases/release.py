"""Open an RRF release and read its files, however it is packed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self

from bali_loaders.releases.layout import Layout, ReleaseFile, read_layout
from bali_loaders.releases.members import HARMLESS, MAX_RATIO, damage_named, find_members
from bali_loaders.releases.rrf import read_rows
from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file
from bali_platform.base.progress import QUIET, Reporter

__all__ = ["Release", "ReleaseFile"]

CHUNK = 1 << 22


class Release:
    """A release opened for reading; a context manager.

    ``version`` is the release's own name for itself (``2025AB``), else its folder's. ``files``
    holds every known RRF file present, by name: ``MRCONSO``, ``CHANGE/MERGEDCUI``, ``NET/SRDEF``.
    ``missing`` names the files that MRFILES claims rows of and that are not there.
    """

    def __init__(
        self, path: Path, layout: Layout, stack: ExitStack, scratch: Path | None, reporter: Reporter
    ) -> None:
        self.path = path
        self.files = layout.files
        self.missing = layout.missing
        self.version = layout.version
        self._stack, self._scratch, self._reporter = stack, scratch, reporter

    @classmethod
    def open(
        cls, path: Path, *, scratch: Path | None = None, reporter: Reporter = QUIET
    ) -> Release:
        """Open a release folder, its META folder, a zip of either, or a folder of ``.nlm`` files.

        What must be unpacked goes to a temporary folder inside ``scratch`` (the system's by
        default), removed on closing. Raises :class:`UsageError` when ``path`` holds no release and
        :class:`BaliError` when the release is damaged or empty.
        """
        with ExitStack() as stack:
            layout = read_layout(find_members(path, stack), path)
            opened = stack.pop_all()
        return cls(path, layout, opened, scratch, reporter)

    def local(self, name: str) -> list[Path]:
        """Return files on disk with the rows of ``name`` for DuckDB, unpacking once if need be.

        A lone ``.gz`` outside an archive is returned as it is.
        """
        file = self._file(name)
        return [file.readable_path or self._unpacked(file)]

    def rows(self, name: str) -> Iterator[dict[str, str]]:
        """Yield the rows of ``name`` by column name, in plain Python, checking every line.

        Raises :class:`BaliError` naming file and line where the text is not RRF.
        """
        file = self._file(name)
        with damage_named(file.label), file.open() as stream:
            yield from read_rows(stream, file.columns, file.label)

    def check(self, *names: str) -> None:
        """Read files line by line, for the :class:`BaliError` that names a malformed line."""
        for name in names:
            for _ in self.rows(name):
                pass

    def close(self) -> None:
        """Close the archives and remove what was unpacked."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _file(self, name: str) -> ReleaseFile:
        try:
            return self.files[name]
        except KeyError:
            raise BaliError(f"{self.path}: no {name}; make the subset again with it") from None

    @cached_property
    def _workspace(self) -> Path:
        folder = tempfile.TemporaryDirectory(prefix="bali-release-", dir=self._scratch)
        return Path(self._stack.enter_context(folder))

    def _unpacked(self, file: ReleaseFile) -> Path:
        try:
            target = self._workspace / f"{file.name}.RRF"
            if not target.exists():
                target.parent.mkdir(exist_ok=True)
                self._unpack(file, target)
        except OSError as error:
            where = self._scratch or tempfile.gettempdir()
            raise BaliError(
                f"{file.label}: cannot be unpacked to {where}: {error.strerror}"
            ) from error
        return target

    def _unpack(self, file: ReleaseFile, target: Path) -> None:
        free = shutil.disk_usage(target.parent).free
        if file.size > free:
            raise BaliError(
                f"{file.label} needs {file.size >> 20} MiB in {target.parent}, which has "
                f"{free >> 20} MiB free; make room, or unpack the release elsewhere"
            )
        with (
            new_file(target) as building,
            self._reporter.step(f"unpack {file.name}", file.size) as step,
            building.open("wb") as sink,
        ):
            for chunk in _unpacked_chunks(file):
                sink.write(chunk)
                step.advance(len(chunk))


def _unpacked_chunks(file: ReleaseFile) -> Iterator[bytes]:
    limit = max(HARMLESS, MAX_RATIO * sum(part.size for part in file.parts))
    with damage_named(file.label), file.open() as source:
        while chunk := source.read(CHUNK):
            limit -= len(chunk)
            if limit < 0:
                raise BaliError(f"{file.label} unpacks to an absurd size; do not use it")
            yield chunk
