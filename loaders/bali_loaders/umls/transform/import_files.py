"""Import files read back: what their headers say, and their rows as DuckDB sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bali_loaders.umls.transform.outputs import Output
from bali_loaders.umls.transform.workspace import ARRAY_DELIMITER

SCALARS = {"int": "BIGINT", "long": "BIGINT", "boolean": "BOOLEAN"}


@dataclass(frozen=True, slots=True)
class ImportFile:
    """One kind of import file in ``folder``.

    ``columns`` are names and types. What the import tool reads for itself is called ``:ID``,
    ``:START_ID``, ``:END_ID``, ``:LABEL`` or ``:TYPE``; ``start`` and ``end`` are the labels of the
    nodes that a relationship joins, ``None`` for nodes.
    """

    output: Output
    folder: Path
    columns: dict[str, str]
    start: str | None
    end: str | None

    @classmethod
    def read(cls, folder: Path, output: Output) -> Self:
        """Read the header of an import file."""
        header = (folder / f"{output.name}-header.csv").read_text(encoding="utf-8")
        columns, spaces = {}, {}
        for column in header.strip().split(","):
            name, _, kind = column.partition(":")
            if not name:
                tag, _, space = kind.partition("(")
                name, spaces[tag] = f":{tag}", space.removesuffix(")")
            columns[name] = kind
        return cls(output, folder, columns, spaces.get("START_ID"), spaces.get("END_ID"))

    @property
    def name(self) -> str:
        """The name of its table."""
        return self.output.name

    def scan(self) -> str:
        """Return the statement that reads its rows, typed; an empty cell is null."""
        kinds = (
            f"'{name}': '{SCALARS.get(kind, 'VARCHAR')}'" for name, kind in self.columns.items()
        )
        parts = sorted(self.folder.glob(f"{self.name}-[0-9]*.csv"))
        paths = ", ".join("'" + str(part).replace("'", "''") + "'" for part in parts)
        cells = ", ".join(_cell(name, kind) for name, kind in self.columns.items())
        return (
            f"FROM read_csv([{paths}], columns={{{', '.join(kinds)}}}, delim=',', quote='\"', "
            "escape='\"', header=false, auto_detect=false, new_line='\\n', nullstr='', "
            f"allow_quoted_nulls=false) SELECT {cells}"
        )

    def kind(self, row: str) -> str:
        """Return the expression of the labels, joined by colons, or the type of ``row``."""
        if ":LABEL" in self.columns:
            return f"array_to_string({row}.\":LABEL\", ':')"
        return (
            f'{row}.":TYPE"'
            if ":TYPE" in self.columns
            else f"'{self.output.label or self.output.type}'"
        )

    def properties(self, row: str) -> str:
        """Return the expression of the properties of ``row``, a struct; an empty map if none."""
        names = [name for name in self.columns if not name.startswith(":")]
        fields = ", ".join(f'"{name}" := {row}."{name}"' for name in names)
        return f"struct_pack({fields})" if names else "MAP {}"


def _cell(name: str, kind: str) -> str:
    if kind.endswith("[]") or name == ":LABEL":
        return f'string_split("{name}", chr({ord(ARRAY_DELIMITER)})) AS "{name}"'
    return f'"{name}"'
