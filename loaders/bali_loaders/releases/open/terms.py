"""What every source is turned into: terms, with the facts that the source states of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Key = tuple[str, str]
"""A term anywhere: (source abbreviation, code)."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term of one source.

    ``synonyms`` are (term type, text); ``xrefs`` and ``relations`` point to terms elsewhere and in
    the same source; ``concept_xrefs`` are UMLS concept identifiers.
    """

    sab: str
    code: str
    name: str
    synonyms: Sequence[tuple[str, str]] = ()
    definition: str = ""
    concept_xrefs: Sequence[str] = ()
    xrefs: Sequence[Key] = ()
    parents: Sequence[str] = ()
    relations: Sequence[tuple[str, str]] = ()
    attributes: Sequence[tuple[str, str]] = ()

    @property
    def key(self) -> Key:
        """The term's identity."""
        return self.sab, self.code


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What MRSAB and the README say of a source."""

    sab: str
    name: str
    version: str
    contact: str
    licence: str
    origin: str


@dataclass(frozen=True, slots=True)
class Source:
    """A source: its description, and its terms by code."""

    info: SourceInfo
    terms: Mapping[str, Term] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Annotation:
    """``disease`` (a term of some other database) stands in ``rela`` to the HPO term ``code``."""

    disease: Key
    rela: str
    code: str


def ancestors(terms: Mapping[str, Term], code: str) -> Iterator[str]:
    """Yield ``code`` and the codes above it, nearest first, each once."""
    seen = {code}
    layer = [code]
    while layer:
        yield from layer
        above = [parent for child in layer if child in terms for parent in terms[child].parents]
        layer = [parent for parent in dict.fromkeys(above) if parent not in seen]
        seen.update(layer)
