"""What the release will hold, worked out in memory from the sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bali_loaders.releases.identifiers import Numbering
from bali_loaders.releases.open.concepts import group_terms
from bali_loaders.releases.open.hpo import read_annotations, read_hpo
from bali_loaders.releases.open.indra import read_mesh, read_obo_table
from bali_loaders.releases.open.naming import Atom, AtomMaker
from bali_loaders.releases.open.relations import (
    End,
    Fact,
    facts_of_annotations,
    facts_of_terms,
)
from bali_loaders.releases.open.semantics import most_specific, types_of_terms
from bali_loaders.releases.open.sources import root_and_version_atoms
from bali_loaders.releases.open.terms import Key, Source, SourceInfo, Term
from bali_platform.base.progress import Step

MADE_UP = (8_000_000, 1_000_000)
AUTHORITY = ("MSH", "MONDO", "DOID", "HPO", "EFO")
"""Whose word counts on a concept's semantic types, first to last."""


@dataclass(frozen=True, slots=True)
class Content:
    """Terms kept, with their concepts and atoms; concepts with their types; facts."""

    infos: Sequence[SourceInfo]
    terms: Mapping[Key, Term]
    cui: Mapping[Key, str]
    atoms: Mapping[Key, Sequence[Atom]]
    source_atoms: Sequence[tuple[str, Atom]]
    types: Mapping[str, Sequence[str]]
    aliases: Mapping[str, str]
    facts: Sequence[Fact]
    untyped: int

    def ends(self) -> dict[Key, End]:
        """Return the atom that stands for each term in a relation."""
        return {
            key: End(self.cui[key], atoms[0].aui, "SDUI" if key[0] == "MSH" else "SCUI")
            for key, atoms in self.atoms.items()
        }

    def concept_ends(self) -> dict[Key, End]:
        """Return the concept of each term, for relations between concepts."""
        return {key: End(cui) for key, cui in self.cui.items()}


def read_content(resources: Path, step: Step) -> Content:
    """Read the sources in ``resources`` and group their terms into concepts.

    Concepts of which no source tells the semantic type are left out, and counted.
    """
    sources = _read_sources(resources, step)
    annotations_info, annotations = read_annotations(resources / "phenotype.hpoa")
    numbering = Numbering("C", digits=7, first=MADE_UP[0], size=MADE_UP[1])
    grouping = group_terms(sources, numbering)
    types = _types(sources, grouping.cui)
    cui = {key: concept for key, concept in grouping.cui.items() if concept in types}
    terms = {t.key: t for source in sources for t in source.terms.values() if t.key in cui}
    maker = AtomMaker()
    infos = [*(source.info for source in sources), annotations_info]
    facts = [
        *facts_of_terms(sources, grouping.related),
        *facts_of_annotations(annotations, _diseases(terms.values())),
    ]
    content = Content(
        infos=infos,
        terms=terms,
        cui=cui,
        atoms={key: maker.of_term(term) for key, term in terms.items()},
        source_atoms=list(root_and_version_atoms(infos, maker)),
        types=types,
        aliases={alias: to for alias, to in grouping.aliases.items() if to in types},
        facts=facts,
        untyped=len(set(grouping.cui.values())) - len(types),
    )
    step.advance()
    return content


def _read_sources(resources: Path, step: Step) -> list[Source]:
    readers = {
        "hp.obo": read_hpo,
        "mondo.json": read_obo_table,
        "mesh_id_label_mappings.tsv": read_mesh,
        "doid.json": read_obo_table,
        "efo.json": read_obo_table,
    }
    sources = []
    for file, reader in readers.items():
        sources.append(reader(resources / file))
        step.advance()
    return sources


def _types(sources: Iterable[Source], cui: Mapping[Key, str]) -> dict[str, list[str]]:
    types: dict[str, list[str]] = {}
    for source in sorted(sources, key=lambda source: AUTHORITY.index(source.info.sab)):
        for code, found in types_of_terms(source).items():
            types.setdefault(cui[source.info.sab, code], most_specific(found))
    return types


def _diseases(terms: Iterable[Term]) -> dict[Key, Key]:
    """Find the MONDO term of each disease of another database: the one most devoted to it."""
    claims: dict[Key, list[tuple[int, Key]]] = defaultdict(list)
    for term in terms:
        if term.sab == "MONDO":
            for xref in term.xrefs:
                same = sum(other[0] == xref[0] for other in term.xrefs)
                claims[xref].append((same, term.key))
    return {xref: min(candidates)[1] for xref, candidates in claims.items()}
