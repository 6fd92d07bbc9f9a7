"""What a graph holds, in compact Parquet files that stay beside it: the next one is compared."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bali_loaders.umls.transform.workspace import SQL, Workspace

CONTENTS = "contents"
COMPARED = ("concepts", "names", "facts", "retired")
CODED = ("concepts", "codes", "retired")
"""What codes are compared by; it takes no relations."""


def write_contents(space: Workspace, folder: Path, tables: Collection[str]) -> None:
    """Write some of ``sql/contents/`` to Parquet files in a fresh ``folder``.

    They refer to concepts by the numbers of the import files, which count up with the CUIs.
    """
    folder.mkdir()
    for table in tables:
        select = (SQL / CONTENTS / f"{table}.sql").read_text(encoding="utf-8")
        target = str(folder / f"{table}.parquet").replace("'", "''")
        space.rows(f"COPY ({select}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
