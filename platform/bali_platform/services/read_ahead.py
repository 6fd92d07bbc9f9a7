"""Read a folder into the system's file cache: ``python read_ahead.py FOLDER BYTES``.

A disk fetches pages that lie in order many times faster than those that a database asks for one by
one, and Neo4j's Community Edition knows no other way to warm up. This is a program of its own, of
the standard library alone, because it outlives the command that starts Neo4j.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

CHUNK = 1 << 20


def read_ahead(folder: Path, room: int) -> None:
    """Read a folder's files, small ones first, unless they have more bytes than ``room``."""
    size = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    if sum(size.values()) > room:
        return
    buffer = bytearray(CHUNK)
    for path in sorted(size, key=size.__getitem__):
        with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


if __name__ == "__main__":
    read_ahead(Path(sys.argv[1]), int(sys.argv[2]))
