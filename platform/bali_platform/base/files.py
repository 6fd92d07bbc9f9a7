"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b, file_digest
from pathlib import Path

from bali_platform.base.errors import BaliError


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield where to write a file, which takes the place of ``path`` once the block ends well.

    A block that fails leaves nothing; what a killed one left is written over by the next.
    """
    building = _beside(path)
    building.parent.mkdir(parents=True, exist_ok=True)
    building.unlink(missing_ok=True)
    try:
        yield building
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill, which takes the place of ``folder`` once the block ends well.

    A block that fails leaves nothing; what a killed one left is removed by the next.
    """
    building = _beside(folder)
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir(parents=True)
        yield building
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace ``path`` so that a reader, or a crash, sees the old text or the new."""
    with new_file(path) as building:
        descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say that ``path`` cannot be written, where the block meets an :class:`OSError`."""
    try:
        yield
    except OSError as error:
        raise BaliError(f"cannot write {path}: {error.strerror or error}") from None


def digest_of(path: Path) -> str:
    """Return the BLAKE2b digest, of 16 bytes, of a file."""
    with path.open("rb") as file:
        return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()


def _beside(path: Path) -> Path:
    path = path.absolute()
    return path.with_name(f".{path.name}.building")
