"""What a graph holds, in compact Parquet files that stay beside it: the next one is compared."""

from __future__ import annotations

from pathlib import Path

from bali_loaders.umls.transform.workspace import SQL, Workspace

CONTENTS = "contents"
TABLES = ("concepts", "names", "facts", "retired")


def write_contents(space: Workspace, folder: Path) -> None:
    """Write each of ``sql/contents/`` to a Parquet file in a fresh ``folder``.

    They refer to concepts by the numbers of the import files, which count up with the CUIs.
    """
    folder.mkdir()
    for table in TABLES:
        select = (SQL / CONTENTS / f"{table}.sql").read_text(encoding="utf-8")
        target = str(folder / f"{table}.parquet").replace("'", "''")
        space.rows(f"COPY ({select}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
