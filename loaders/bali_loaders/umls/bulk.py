"""The command line of ``neo4j-admin database import`` for a folder of import files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bali_loaders.umls.transform.outputs import OUTPUTS, Output
from bali_loaders.umls.transform.workspace import ARRAY_DELIMITER


def import_arguments(folder: Path) -> list[str]:
    """Return the options that import what :func:`transform` wrote to ``folder``.

    Nothing may be skipped: a repeated node or a relationship without an end fails the import.
    """
    delimiter = f"--array-delimiter=U+{ord(ARRAY_DELIMITER):04X}"
    return ["--id-type=integer", delimiter, "--bad-tolerance=0", *_inputs(folder)]


def _inputs(folder: Path) -> Iterator[str]:
    for output in OUTPUTS:
        parts = [folder / f"{output.name}-header.csv", *_parts(folder, output)]
        yield f"{_kind(output)}{','.join(str(part) for part in parts)}"


def _parts(folder: Path, output: Output) -> list[Path]:
    return sorted(folder.glob(f"{output.name}-[0-9]*.csv"))


def _kind(output: Output) -> str:
    if output.label:
        return f"--nodes={output.label}="
    return f"--relationships={output.type}=" if output.type else "--relationships="
