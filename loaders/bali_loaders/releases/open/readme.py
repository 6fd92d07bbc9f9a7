"""The README that lies beside the release."""

from __future__ import annotations

from bali_loaders.releases.open.content import Content
from bali_loaders.releases.open.packages import PACKAGES

TEXT = """\
{version}: open ontologies in the shape of a UMLS release
{rule}

This is not the UMLS and holds nothing of the UMLS Metathesaurus: only the concept identifiers that
the sources publish themselves as cross references.

Sources
{sources}

The files come from the PyPI packages {packages}.

Concepts
  A concept holds at most one term of each source. HPO, MONDO, DOID and EFO terms claim the UMLS
  identifiers that they cross-reference; where several terms of one source claim the same, the one
  goes first whose name another source gives that concept, then the lowest code. Terms are then
  joined by cross references, those that also share a name first, and then by equal preferred
  names. Cross references that could not join two terms are kept as REL=RQ, RELA=mapped_to.
  C80xxxxx to C89xxxxx: made up, by hash of source and code, for terms without an identifier.
  C99xxxxx: made up, for the sources themselves (SAB=SRC).
  Further identifiers that a source gives a term lead to its concept through MRCUI (REL=SY).
  Left out: {untyped} concepts of no known semantic type, above all EFO's cell lines and strains.

Names
  AUI, LUI, SUI, RUI and ATUI: made up, by hash. LUI groups strings that differ only in case,
  punctuation and word order. The order of names is in MRRANK. SUPPRESS: O on names that HPO has
  dropped, Y on HPO's abbreviations.

Semantic types
  By rule, from the branch that a term is in; MeSH's word counts before MONDO, DOID, HPO, EFO.

Relations
  CUI2 has REL and RELA to CUI1; every fact has a row in each direction. MSH's hierarchy has no
  RELA. HPOA joins diseases to HPO's terms, without the negated annotations; it has no names.
"""


def readme(content: Content, version: str) -> str:
    """Describe the release: sources, versions, licences, what is made up and how."""
    title = f"{version}: open ontologies in the shape of a UMLS release"
    sources = "\n".join(
        f"  {info.sab:<6} {info.name}, {info.version} ({info.origin})\n         {info.licence}"
        for info in content.infos
    )
    packages = " and ".join(f"{package.name} {package.version}" for package in PACKAGES)
    return TEXT.format(
        version=version,
        rule="=" * len(title),
        sources=sources,
        packages=packages,
        untyped=content.untyped,
    )
