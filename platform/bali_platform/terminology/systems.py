"""Vocabularies by every name they go by: UMLS abbreviation, CURIE prefix, URI, FHIR system, OID.

``systems.csv`` is made by ``scripts/make_systems.py`` from bioregistry.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

OID = re.compile(r"(?:urn:oid:)?(\d+(?:\.\d+){3,})")


@dataclass(frozen=True, slots=True)
class System:
    """A vocabulary: ``prefix`` of its CURIEs, ``uris`` that a code completes, FHIR's URI, OID."""

    sab: str
    prefix: str
    name: str
    aliases: tuple[str, ...]
    uris: tuple[str, ...]
    fhir: str
    oid: str

    def names(self) -> Iterator[str]:
        """Yield everything that stands for the vocabulary itself."""
        yield from filter(None, (self.sab, self.prefix, *self.aliases, self.fhir))
        yield from (uri.rstrip("/#") for uri in self.uris)
        if self.oid:
            yield self.oid
            yield f"urn:oid:{self.oid}"


@cache
def systems() -> tuple[System, ...]:
    """Return the shipped table, the UMLS's vocabularies first."""
    table = files("bali_platform.terminology") / "systems.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return tuple(
        System(
            row["sab"],
            row["prefix"],
            row["name"],
            tuple(filter(None, row["aliases"].split("|"))),
            tuple(filter(None, row["uris"].split("|"))),
            row["fhir"],
            row["oid"],
        )
        for row in rows
    )


@cache
def by_sab() -> dict[str, System]:
    """Return the table by SAB."""
    return {system.sab: system for system in systems()}


@lru_cache(10_000)
def fold(name: str) -> str:
    """Fold what does not matter in a vocabulary's name: case, spaces, and how a URI ends.

    >>> fold(" SNOMED CT ") == fold("snomedct")
    True
    """
    return re.sub(r"[\s_-]+", "", name.casefold()).rstrip("/#")


@cache
def by_name() -> dict[str, tuple[str, ...]]:
    """Return the SABs that a folded name may stand for, the UMLS's vocabularies first."""
    found: dict[str, tuple[str, ...]] = {}
    for system in systems():
        for name in map(fold, system.names()):
            if system.sab not in found.get(name, ()):
                found[name] = (*found.get(name, ()), system.sab)
    return found


@cache
def by_uri() -> dict[str, tuple[str, str]]:
    """Return SAB and CURIE prefix by the beginning of a URI, in lower case."""
    return {uri.lower(): (s.sab, s.prefix) for s in reversed(systems()) for uri in s.uris}
