"""How an export is written: whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bali_platform.base.errors import BaliError


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill, which takes the place of ``folder`` once that went well."""
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    with _explained(folder):
        building.mkdir(parents=True)
        yield building
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """Write pieces of text to one file."""
    building = path.with_name(f".{path.name}.building")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with building.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        building.replace(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BaliError(f"cannot write {path}: {error.strerror}") from None
