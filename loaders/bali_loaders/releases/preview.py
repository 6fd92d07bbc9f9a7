"""What a choice of filters would load of a release, before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import duckdb

from bali_loaders.releases.information import tables
from bali_loaders.releases.release import Release
from bali_platform.base.progress import QUIET, Reporter


class Filters(Protocol):
    """The filters of a load; an empty sequence means no restriction."""

    @property
    def sources(self) -> Sequence[str]:
        """Root abbreviations (MRSAB's RSAB)."""

    @property
    def languages(self) -> Sequence[str]:
        """Language codes (MRCONSO's LAT)."""

    @property
    def licences(self) -> Sequence[int]:
        """Licence categories (MRSAB's SRL)."""

    @property
    def suppressible(self) -> bool:
        """Whether rows whose SUPPRESS is not N are wanted."""

    @property
    def siblings(self) -> bool:
        """Whether SIB relations are wanted."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be loaded: concepts, names, definitions, and rows of MRREL.

    Rows of MRREL are counted before the two directions of a fact and its sources become one edge.
    """

    concepts: int
    names: int
    definitions: int
    relations: int


PREPARE = """
    CREATE TABLE source AS
    SELECT RSAB AS root, arg_max(LAT, coalesce(CURVER, 'N')) AS language
    FROM MRSAB
    WHERE (len(getvariable('sources')) = 0 OR list_contains(getvariable('sources'), RSAB))
        AND (len(getvariable('licences')) = 0 OR list_contains(getvariable('licences'), SRL))
    GROUP BY RSAB;

    CREATE MACRO wanted_language(language) AS
        len(getvariable('languages')) = 0 OR list_contains(getvariable('languages'), language);
    CREATE MACRO shown(suppress) AS getvariable('suppressible') OR suppress = 'N';

    CREATE TABLE concept AS
    SELECT CUI AS id, count(*) AS names, count(*) FILTER (shown(SUPPRESS)) AS shown_names
    FROM MRCONSO SEMI JOIN source ON root = SAB
    WHERE wanted_language(LAT)
    GROUP BY CUI;
"""
CONCEPTS = """
    SELECT count(*), coalesce(sum(CASE WHEN shown_names > 0 THEN shown_names ELSE names END), 0)
    FROM concept
"""
DEFINITIONS = """
    SELECT count(*) FROM MRDEF JOIN source ON root = SAB
    SEMI JOIN concept ON id = CUI
    WHERE shown(SUPPRESS) AND (language IS NULL OR wanted_language(language))
"""
RELATIONS = """
    SELECT count(*) FROM MRREL SEMI JOIN source ON root = SAB
    SEMI JOIN concept AS one ON one.id = CUI1
    SEMI JOIN concept AS two ON two.id = CUI2
    WHERE shown(SUPPRESS) AND CUI1 <> CUI2 AND (REL <> 'SIB' OR getvariable('siblings'))
"""


def preview(release: Release, filters: Filters, *, reporter: Reporter = QUIET) -> Preview:
    """Count what ``filters`` would load of ``release``."""
    with tables(release) as database, reporter.step("preview", 3) as step:
        _set_filters(database, filters)
        database.execute(PREPARE)
        concepts, names = database.sql(CONCEPTS).fetchall()[0]
        step.advance()
        definitions = database.sql(DEFINITIONS).fetchall()[0][0]
        step.advance()
        relations = database.sql(RELATIONS).fetchall()[0][0]
        step.advance()
    return Preview(concepts, int(names), definitions, relations)


def _set_filters(database: duckdb.DuckDBPyConnection, filters: Filters) -> None:
    values = {
        "sources": list(filters.sources),
        "languages": list(filters.languages),
        "licences": [str(licence) for licence in filters.licences],
        "suppressible": filters.suppressible,
        "siblings": filters.siblings,
    }
    for name, value in values.items():
        kind = "VARCHAR[]" if isinstance(value, list) else "BOOLEAN"
        database.execute(f"SET VARIABLE {name} = $1::{kind}", [value])
