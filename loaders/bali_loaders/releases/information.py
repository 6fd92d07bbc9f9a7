"""What a release holds, counted from its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from bali_loaders.releases.release import Release
from bali_loaders.releases.rrf import scan_sql, standard_files
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.graph.semantic_groups import group_of

TABLES = ("MRCONSO", "MRREL", "MRDEF", "MRSTY", "MRSAB")


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file: the rows that MRFILES claims (if it speaks of the file) and its bytes."""

    name: str
    rows: int | None
    bytes: int


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A source: MRSAB's description and what it contributes."""

    sab: str
    title: str
    version: str
    licence: str
    language: str
    names: int
    concepts: int
    relations: int
    definitions: int


@dataclass(frozen=True, slots=True)
class LanguageInfo:
    """A language: its names, and the concepts that have one in it."""

    language: str
    names: int
    concepts: int


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A semantic group and its concepts; a concept may be in several."""

    group: str
    concepts: int


@dataclass(frozen=True, slots=True)
class ReleaseInfo:
    """What a release holds. ``relations`` counts rows, of which a fact usually has two."""

    version: str
    path: str
    concepts: int
    names: int
    suppressed_names: int
    relations: int
    definitions: int
    sources: tuple[SourceInfo, ...]
    languages: tuple[LanguageInfo, ...]
    groups: tuple[GroupInfo, ...]
    files: tuple[FileInfo, ...]
    missing: tuple[str, ...]


SOURCES = """
    WITH names AS (
        SELECT SAB, count(*) AS names, count(DISTINCT CUI) AS concepts FROM MRCONSO GROUP BY SAB
    ),
    relations AS (SELECT SAB, count(*) AS relations FROM MRREL GROUP BY SAB),
    definitions AS (SELECT SAB, count(*) AS definitions FROM MRDEF GROUP BY SAB)
    SELECT SAB, coalesce(any_value(SON), ''), coalesce(any_value(SVER), ''),
        coalesce(any_value(SRL), ''), coalesce(any_value(MRSAB.LAT), ''),
        coalesce(any_value(names), 0), coalesce(any_value(concepts), 0),
        coalesce(any_value(relations), 0), coalesce(any_value(definitions), 0)
    FROM names FULL JOIN relations USING (SAB) FULL JOIN definitions USING (SAB)
    LEFT JOIN MRSAB ON RSAB = SAB AND coalesce(CURVER, 'Y') = 'Y'
    GROUP BY SAB ORDER BY 6 DESC, SAB
"""
LANGUAGES = """
    SELECT LAT, count(*), count(DISTINCT CUI) FROM MRCONSO GROUP BY LAT ORDER BY 2 DESC, LAT
"""
TOTALS = "SELECT count(DISTINCT CUI), count(*), count(*) FILTER (SUPPRESS <> 'N') FROM MRCONSO"
TYPES = "SELECT CUI, list(DISTINCT TUI) AS types FROM MRSTY GROUP BY CUI"
COMBINATIONS = "SELECT types, count(*) FROM types GROUP BY types"


def describe(release: Release, *, reporter: Reporter = QUIET) -> ReleaseInfo:
    """Count what ``release`` holds, by source, language and semantic group."""
    with tables(release) as database, reporter.step("count", 4) as step:
        concepts, names, suppressed = database.sql(TOTALS).fetchall()[0]
        step.advance()
        sources = tuple(SourceInfo(*row) for row in database.sql(SOURCES).fetchall())
        step.advance()
        languages = tuple(LanguageInfo(*row) for row in database.sql(LANGUAGES).fetchall())
        step.advance()
        groups = _groups(database)
        step.advance()
    return ReleaseInfo(
        version=release.version,
        path=str(release.path),
        concepts=concepts,
        names=names,
        suppressed_names=suppressed,
        relations=sum(source.relations for source in sources),
        definitions=sum(source.definitions for source in sources),
        sources=sources,
        languages=languages,
        groups=groups,
        files=tuple(FileInfo(f.name, f.rows_claimed, f.size) for f in release.files.values()),
        missing=release.missing,
    )


@contextmanager
def tables(release: Release) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a database in which the main files are tables to query; an absent one has no rows.

    Raises :class:`BaliError` with file and line where a row that is queried is malformed.
    """
    with duckdb.connect() as database:
        database.execute("SET enable_progress_bar = false")
        for name in TABLES:
            _add_table(database, release, name)
        try:
            yield database
        except duckdb.Error as error:
            release.check(*release.files.keys() & set(TABLES))
            raise BaliError(f"{release.path}: {str(error).splitlines()[0]}") from error


def _add_table(database: duckdb.DuckDBPyConnection, release: Release, name: str) -> None:
    if name in release.files:
        scan = scan_sql(release.local(name), release.files[name].columns)
        database.sql(f"FROM {scan}").create_view(name)
    else:
        columns = ", ".join(f"'' AS {column}" for column in standard_files()[name].columns)
        database.sql(f"SELECT {columns}").filter("false").create_view(name)


def _groups(database: duckdb.DuckDBPyConnection) -> tuple[GroupInfo, ...]:
    database.sql(TYPES).create_view("types")
    counts: dict[str, int] = {}
    for types, concepts in database.sql(COMBINATIONS).fetchall():
        for name in {group.name if (group := group_of(tui)) else "Ungrouped" for tui in types}:
            counts[name] = counts.get(name, 0) + concepts
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(GroupInfo(*item) for item in ordered)
