"""What differs between two graphs: concepts, names and facts, by source, from their contents."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict

from bali_loaders.umls.report import Report
from bali_loaders.umls.transform import Limits
from bali_loaders.umls.transform.contents import COMPARED
from bali_platform.base.errors import BaliError

SQL = files("bali_loaders.umls.upgrades") / "sql"
SCRIPTS = ("concept_pair", "concept_change", "name_change", "fact_change")


class Counts(BaseModel):
    """Distinct names or facts before and after, and what came and went.

    Of these, so many came with concepts that are new, or went with concepts that are gone; the rest
    changed between concepts that both graphs have.
    """

    model_config = ConfigDict(extra="forbid")

    before: int
    after: int
    gained: int
    lost: int
    gained_with_concepts: int
    lost_with_concepts: int


class SourceCounts(BaseModel):
    """What one source says that it did not say before, and the other way round."""

    model_config = ConfigDict(extra="forbid")

    names_gained: int
    names_lost: int
    facts_gained: int
    facts_lost: int


class Changes(BaseModel):
    """From one graph to the next.

    ``concepts`` counts those ``added``; those gone because they were ``merged`` into another,
    ``mapped`` to others that are not the same, ``deleted``, ``left out`` by the filters or gone
    ``unexplained`` (neither in the release nor in its history); and of those that stay, the
    ``renamed`` and the ``retyped`` (other semantic types).
    """

    model_config = ConfigDict(extra="forbid")

    concepts: dict[str, int]
    names: Counts
    facts: Counts
    sources: dict[str, SourceCounts]


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph as its load left it: the report, and the folder of its contents."""

    report: Report
    contents: Path


def compare(
    old: Graph, new: Graph, listing: Path, scratch: Path, limits: Limits | None = None
) -> Changes:
    """Compare two graphs, in bounded memory, and list every changed concept in a CSV file.

    Args:
        old: the graph before.
        new: the graph after.
        listing: the CSV file to write: cui, change, name, old_value, new_value.
        scratch: a folder for what does not fit into memory; removed afterwards.
        limits: as of a transform.

    Raises:
        BaliError: the disk is full, or contents cannot be read.
    """
    folders = {"old": old.contents, "new": new.contents}
    with contents_of(folders, COMPARED, scratch, limits or Limits()) as database:
        for name in SCRIPTS:
            database.execute(script(name))
        database.execute(
            f"COPY (FROM concept_change ORDER BY change, cui) TO {quoted(listing)} (HEADER)"
        )
        return _summary(database, old.report, new.report)


def _summary(database: duckdb.DuckDBPyConnection, old: Report, new: Report) -> Changes:
    concepts = dict(database.execute(script("concepts")).fetchall())
    counted = {"before": old.nodes["Concept"], "after": new.nodes["Concept"]}
    (names,), (facts,) = _rows(database, "names"), _rows(database, "facts")
    sources = {row.pop("sab"): row for row in _rows(database, "sources")}
    return Changes.model_validate(
        {
            "concepts": counted | concepts,
            "names": {"before": old.names, "after": new.names} | names,
            "facts": {"before": old.facts, "after": new.facts} | facts,
            "sources": sources,
        }
    )


def _rows(database: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, int]]:
    found = database.execute(script(name))
    columns = [column[0] for column in found.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


@contextmanager
def contents_of(
    folders: Mapping[str, Path], tables: Sequence[str], scratch: Path, limits: Limits
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the contents of graphs as views such as ``old_names``, by age and table.

    Raises :class:`BaliError` where they cannot be read, or the disk is full.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    config: dict[str, Any] = {
        "memory_limit": limits.memory,
        "threads": limits.threads or os.cpu_count() or 1,
        "temp_directory": str(scratch / "spill"),
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(scratch / "changes.duckdb", config=config) as database:
            for age, folder in folders.items():
                for table in tables:
                    path = quoted(folder / f"{table}.parquet")
                    database.execute(f"CREATE VIEW {age}_{table} AS FROM read_parquet({path})")
            yield database
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise BaliError(f"the graphs cannot be compared in {scratch}: {reason}") from error
    finally:
        shutil.rmtree(scratch)


def script(name: str) -> str:
    """Return a file of SQL."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def quoted(path: Path) -> str:
    """Return a path as SQL writes it."""
    return "'" + str(path).replace("'", "''") + "'"
