"""Facts of the sources as MRREL rows: every fact twice, once in each direction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bali_loaders.releases.identifiers import Numbering
from bali_loaders.releases.open.indra import RELATIONS
from bali_loaders.releases.open.terms import Annotation, Key, Source

INVERSES = {
    **RELATIONS,
    "isa": "inverse_isa",
    "mapped_to": "mapped_from",
    "has_manifestation": "manifestation_of",
    "has_inheritance_type": "inheritance_type_of",
    "has_clinical_course": "clinical_course_of",
}
"""Every RELA stated by a source here, with its inverse."""

OPPOSITE = {"CHD": "PAR", "RO": "RO", "RQ": "RQ"}


@dataclass(frozen=True, slots=True)
class End:
    """One end of a fact: a concept, and the atom that the source speaks of, if it has atoms."""

    cui: str
    aui: str = ""
    kind: str = "CUI"


@dataclass(frozen=True, slots=True)
class Fact:
    """``subject`` ``rela`` ``target``, as a source states it (``cataract isa eye disease``)."""

    sab: str
    rel: str
    rela: str
    subject: Key
    target: Key


def facts_of_terms(sources: Iterable[Source], related: Iterable[tuple[Key, Key]]) -> Iterator[Fact]:
    """Yield what the terms state: hierarchy, relations, and the ``related`` cross references."""
    for source in sources:
        sab = source.info.sab
        isa = "" if sab == "MSH" else "isa"
        for code, term in source.terms.items():
            for parent in term.parents:
                yield Fact(sab, "CHD", isa, (sab, code), (sab, parent))
            for rela, target in term.relations:
                yield Fact(sab, "RO", rela, (sab, code), (sab, target))
    for one, other in related:
        yield Fact(one[0], "RQ", "mapped_to", one, other)


def facts_of_annotations(
    annotations: Iterable[Annotation], diseases: Mapping[Key, Key]
) -> Iterator[Fact]:
    """Yield the annotations of the diseases that a term stands for (``diseases``)."""
    for annotation in annotations:
        if term := diseases.get(annotation.disease):
            yield Fact("HPOA", "RO", annotation.rela, term, ("HPO", annotation.code))


def relation_rows(
    facts: Iterable[Fact], ends: Mapping[Key, End], concepts: Mapping[Key, End]
) -> Iterator[tuple[str, ...]]:
    """Yield two MRREL rows for each distinct fact: in a row, CUI2 has REL and RELA to CUI1.

    ``ends`` are terms with the atom that stands for them, ``concepts`` the same without; the
    second serve sources that have no atoms of their own. Facts about unknown terms are left out.
    """
    number = Numbering("R", digits=9)
    seen = set()
    for fact in facts:
        known = concepts if fact.sab == "HPOA" else ends
        subject, target = known.get(fact.subject), known.get(fact.target)
        if subject is None or target is None or (fact.sab, fact.rela, subject, target) in seen:
            continue
        seen.add((fact.sab, fact.rela, subject, target))
        back = OPPOSITE[fact.rel], INVERSES.get(fact.rela, "")
        yield _row(number, fact.sab, target, (fact.rel, fact.rela), subject, "Y")
        yield _row(number, fact.sab, subject, back, target, "N")


def _row(
    number: Numbering, sab: str, first: End, label: tuple[str, str], second: End, direction: str
) -> tuple[str, ...]:
    rel, rela = label
    rui = number(sab, rel, rela, first.cui, first.aui, second.cui, second.aui)
    ends = (first.cui, first.aui, first.kind, rel, second.cui, second.aui, second.kind, rela)
    return (*ends, rui, "", sab, sab, "", direction, "N", "")
