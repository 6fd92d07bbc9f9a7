"""How an export is written: whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bali_platform.base.files import new_file, writing


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """Write pieces of text to one file."""
    with (
        writing(path),
        new_file(path) as building,
        building.open("w", encoding="utf-8", newline="") as file,
    ):
        file.writelines(pieces)
