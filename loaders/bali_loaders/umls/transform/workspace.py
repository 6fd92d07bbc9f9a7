"""The DuckDB database a transform works in: views of the release, tables, import files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from bali_loaders.releases import Release
from bali_loaders.umls.transform.tables import READ, view_sql
from bali_platform.base.errors import BaliError

ARRAY_DELIMITER = "\x1f"
SQL = files("bali_loaders.umls.transform") / "sql"
DISK_FULL = ("No space left", "File too large", "quota exceeded")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a transform may use: DuckDB's memory, as DuckDB writes sizes, and threads."""

    memory: str = "2500MB"
    threads: int | None = None


class Workspace:
    """An on-disk DuckDB in ``folder``, which it leaves without its own files on closing."""

    def __init__(self, folder: Path, release: Release, limits: Limits) -> None:
        self._folder, self._release, self._limits = folder, release, limits
        config: dict[str, Any] = {
            "memory_limit": limits.memory,
            "threads": limits.threads or os.cpu_count() or 1,
            "temp_directory": str(folder / "spill"),
            "preserve_insertion_order": False,
            # Most tables are read once or twice: compressing them costs more than it saves.
            "force_compression": "uncompressed",
            # Of a text file DuckDB guesses too few rows, and would hash those and not the few that
            # they are joined with. So joins are done as written: the large side comes first.
            "disabled_optimizers": "join_order,build_side_probe_side",
        }
        with self._explained():
            self._connection = duckdb.connect(folder / "work.duckdb", config=config)
            # Outside a terminal DuckDB would take a notebook or a worker for one, and draw on it.
            self._connection.execute("SET enable_progress_bar = false")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()
        (self._folder / "work.duckdb").unlink(missing_ok=True)

    def set(self, **variables: object) -> None:
        """Set variables that the statements read with ``getvariable``."""
        for name, value in variables.items():
            self.rows(f"SET VARIABLE {name} = $1", value)

    def rows(self, sql: str, *parameters: object) -> list[Any]:
        """Run one statement and return its rows."""
        with self._explained():
            return self._connection.execute(sql, parameters).fetchall()

    def script(self, name: str) -> None:
        """Run the statements of ``sql/tables/<name>.sql``."""
        with self._explained():
            self._connection.execute((SQL / "tables" / f"{name}.sql").read_text(encoding="utf-8"))

    def count(self, table: str, condition: str = "true") -> int:
        """Count the rows of ``table``, a name or a subquery, that meet ``condition``."""
        return int(self.rows(f"FROM {table} SELECT count(*) WHERE {condition}")[0][0])

    def view(self, file: str, *, empty: bool = False) -> None:
        """Make the view through which SQL sees a file of the release, or an empty one."""
        self.rows(view_sql(self._release, file, empty=empty))

    def fill(self, table: str, columns: str, rows: Iterable[Sequence[object]] = ()) -> None:
        """Create ``table`` with ``columns`` (as in SQL) and some rows."""
        self.rows(f"CREATE TABLE {table} ({columns})")
        if values := list(zip(*rows, strict=True)):
            arrays = [pa.array(column) for column in values]
            filled = pa.Table.from_arrays(arrays, names=[str(n) for n in range(len(arrays))])
            with self._explained():
                self._connection.from_arrow(filled).insert_into(table)

    def write(self, name: str, target: Path) -> int:
        """Write ``sql/outputs/<name>.sql`` as CSV without a header and return its rows.

        Text is quoted, quotes in it doubled; nothing else is special. Arrays join their items by
        :data:`ARRAY_DELIMITER`, which is a space inside an item.
        """
        columns = self._output(name)
        cells = ", ".join(_cell(column, kind) for column, kind in columns)
        text = ", ".join(f'"{column}"' for column, kind in columns if kind.startswith("VARCHAR"))
        quoting = f"QUOTE '\"', ESCAPE '\"', FORCE_QUOTE ({text})" if text else "QUOTE ''"
        path = str(target).replace("'", "''")
        copy = (
            f"COPY (FROM output SELECT {cells}) TO '{path}' (FORMAT csv, HEADER false, {quoting})"
        )
        return int(self.rows(copy)[0][0])

    def header(self, name: str) -> list[str]:
        """Return the columns of ``sql/outputs/<name>.sql``, as the import tool names them."""
        return [column for column, _ in self._output(name)]

    def _output(self, name: str) -> list[tuple[str, str]]:
        """Make an output's statement the view ``output`` and return its columns and types."""
        select = (SQL / "outputs" / f"{name}.sql").read_text(encoding="utf-8")
        self.rows(f"CREATE OR REPLACE TEMP VIEW output AS {select}")
        return [(row[0], row[1]) for row in self.rows("DESCRIBE output")]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise BaliError(
                f"the transform needs more than {self._limits.memory}: give it more with --memory"
            ) from error
        except duckdb.Error as error:
            if any(reason in str(error) for reason in DISK_FULL):
                raise BaliError(f"disk full in {self._folder}: make room and run again") from error
            self._release.check(*READ.keys() & self._release.files.keys())
            raise BaliError(f"the transform failed: {str(error).splitlines()[0]}") from error


def _cell(column: str, kind: str) -> str:
    if not kind.endswith("[]"):
        return f'"{column}"'
    delimiter = f"chr({ord(ARRAY_DELIMITER)})"
    clean = f"list_transform(\"{column}\", lambda item: replace(item, {delimiter}, ' '))"
    return (
        f"CASE WHEN contains(array_to_string(\"{column}\", ''), {delimiter}) "
        f"THEN array_to_string({clean}, {delimiter}) "
        f'ELSE array_to_string("{column}", {delimiter}) END AS "{column}"'
    )
