"""What the identifiers of corpora name: which vocabulary, and which code of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_SOURCES = {
    "MESH": "MSH",
    "MIM": "OMIM",
    "UMLS": "CUI",
    "HP": "HPO",
    "NCIT": "NCI",
    "GENE": "NCBIGENE",
    "GENEID": "NCBIGENE",
    "ENTREZ": "NCBIGENE",
    "ENTREZGENE": "NCBIGENE",
    "NCBITAXON": "NCBI",
    "NCBITAXONOMY": "NCBI",
    "NCBITAXID": "NCBI",
    "TAX": "NCBI",
    "TAXID": "NCBI",
    "TAXON": "NCBI",
    "TAXONOMY": "NCBI",
    "SPECIES": "NCBI",
    "CVCL": "CELLOSAURUS",
    "SNOMED": "SNOMEDCT_US",
    "SNOMEDCT": "SNOMEDCT_US",
    "SNOMEDCTUS": "SNOMEDCT_US",
    "RXCUI": "RXNORM",
}
_WITHOUT_PREFIX = frozenset(
    {"MSH", "CUI", "OMIM", "NCI", "NCBI", "NCBIGENE", "CELLOSAURUS", "DBSNP"}
    | {"SNOMEDCT_US", "RXNORM"}
)
_NIL = frozenset(
    {"", "-", "-1", "none", "null", "nil", "nan", "cui-less", "cuiless", "unknown", "n/a"}
)
_BARE = (
    (re.compile(r"C(\d{7}|[NL]\d{6,7})", re.IGNORECASE), "CUI"),
    (re.compile(r"[DC](\d{6}|\d{9})", re.IGNORECASE), "MSH"),
    (re.compile(r"CVCL_\w+", re.IGNORECASE), "CELLOSAURUS"),
)
_SNP = re.compile(r"(?:^|[;:|\s])rs#?:?\s*(\d+)(?:$|[;|\s])", re.IGNORECASE)
_TAXON_OF_GENE = re.compile(r"\s*\(tax[^)]*\)$|\*$", re.IGNORECASE)
_SEVERAL = re.compile(r"[|;,+]")
# The keys under which public taggers and tools write identifiers, best first, without case and
# punctuation, and the prefix that a bare value has left out. A gene's taxon comes after the gene.
_KEYS = {
    "identifier": "",
    "identifiers": "",
    "cui": "CUI",
    "cuis": "CUI",
    "umls": "CUI",
    "umlscui": "CUI",
    "conceptid": "",
    "concept": "",
    "kbid": "",
    "normalizedid": "",
    "normid": "",
    "dbid": "",
    "mesh": "MESH",
    "omim": "OMIM",
    "chebi": "CHEBI",
    "ncbigene": "NCBIGENE",
    "entrezgene": "NCBIGENE",
    "entrez": "NCBIGENE",
    "gene": "NCBIGENE",
    "cellosaurus": "CELLOSAURUS",
    "cellline": "CELLOSAURUS",
    "cvcl": "CELLOSAURUS",
    "dbsnp": "DBSNP",
    "rs": "DBSNP",
    "tmvar": "TMVAR",
    "hpo": "HP",
    "hp": "HP",
    "go": "GO",
    "doid": "DOID",
    "mondo": "MONDO",
    "snomedct": "SNOMEDCT_US",
    "snomedctus": "SNOMEDCT_US",
    "snomed": "SNOMEDCT_US",
    "rxnorm": "RXNORM",
    "rxcui": "RXNORM",
    "ncit": "NCI",
    "uniprot": "UNIPROT",
    "drugbank": "DRUGBANK",
    "ncbitaxonomy": "NCBITAXON",
    "ncbitaxon": "NCBITAXON",
    "taxonomy": "NCBITAXON",
    "taxon": "NCBITAXON",
    "tax": "NCBITAXON",
    "species": "NCBITAXON",
}
_SUFFIX = re.compile(r"(identifiers?|accession|codes?|ids?)$")


class Code(NamedTuple):
    """What an identifier names: a source of the UMLS (or ``CUI``, ``NIL``, ``?``) and its code."""

    source: str
    code: str


def read_identifier(identifier: str, kind: str = "") -> Code:
    """Tell which vocabulary an identifier belongs to, by its prefix, its shape, or the mention's.

    >>> for identifier in ("MESH:D003920", "C0011849", "HP:0001250", "NCBI:txid10090"):
    ...     print(*read_identifier(identifier))
    MSH D003920
    CUI C0011849
    HPO HP:0001250
    NCBI 10090
    >>> print(*read_identifier("672(Tax:9606)", kind="Gene"))
    NCBIGENE 672
    """
    identifier = _TAXON_OF_GENE.sub("", identifier.strip())
    if identifier.lower() in _NIL:
        return Code("NIL", "")
    if snp := _SNP.search(identifier):
        return Code("DBSNP", f"rs{snp[1]}")
    if "://" in identifier:
        return _from_iri(identifier, kind)
    for shape, source in _BARE:
        if shape.fullmatch(identifier):
            return Code(source, identifier.upper())
    prefix, parted, code = identifier.partition(":")
    if not parted and re.fullmatch(r"[A-Za-z]+_\d+", identifier):
        prefix, parted, code = identifier.partition("_")
    if parted:
        return _prefixed(prefix.strip(), code.strip(), kind)
    return _of_number(identifier, kind)


def split_identifiers(text: str, kind: str = "") -> tuple[str, ...]:
    """Take composite identifiers apart; those of variants (``c|SUB|A|123|G``) are one.

    >>> split_identifiers("D003920|D006973")
    ('D003920', 'D006973')
    """
    is_variant = any(word in kind.lower() for word in ("variant", "mutation", "snp"))
    parts = [text] if is_variant or "://" in text else _SEVERAL.split(text)
    return tuple(part.strip() for part in parts if part.strip())


def is_identifier(text: str) -> bool:
    """Tell whether a label is an identifier by its own looks (``C0011849``, ``MESH:D003920``)."""
    if any(character.isspace() for character in text.strip()):
        return False
    return read_identifier(text).source not in ("?", "NIL")


def identifiers_under(values: Mapping[str, Any], kind: str = "") -> tuple[str, ...]:
    """Return the identifiers that a mention's keys hold: of the best key that names one.

    A value under no known key counts only if it is a CUI, a code of MeSH or Cellosaurus by its
    looks. Where all say that there is none (``-1``), that is returned.
    """
    ranked = sorted(
        ((rank, value) for key, value in values.items() if (rank := _rank(key)) is not None),
        key=lambda found: found[0][0],
    )
    known = [_qualified(value, prefix, kind) for (_, prefix), value in ranked]
    known += [
        (value,)
        for value in values.values()
        if isinstance(value, str) and any(shape.fullmatch(value.strip()) for shape, _ in _BARE)
    ]
    told = [found for found in known if found]
    named = (f for f in told if any(read_identifier(i, kind).source != "NIL" for i in f))
    return next(named, told[0] if told else ())


def texts_in(value: Any) -> list[str]:
    """Return the texts in a value of JSON: itself, or the items of its list; numbers as text."""
    items = value if isinstance(value, list) else [value]
    return [str(i) for i in items if isinstance(i, str | int | float) and not isinstance(i, bool)]


def _rank(key: str) -> tuple[int, str] | None:
    plain = re.sub(r"[^a-z0-9]", "", str(key).lower())
    name = plain if plain in _KEYS else _SUFFIX.sub("", plain)
    return (list(_KEYS).index(name), _KEYS[name]) if name in _KEYS else None


def _qualified(value: Any, prefix: str, kind: str) -> tuple[str, ...]:
    parts = [part for text in texts_in(value) for part in split_identifiers(text, kind)]
    return tuple(
        f"{prefix}:{part}" if prefix and read_identifier(part).source == "?" else part
        for part in parts
    )


def _prefixed(prefix: str, code: str, kind: str) -> Code:
    plain = re.sub(r"[\s_-]", "", prefix).upper()
    source = _SOURCES.get(plain, plain if plain in _WITHOUT_PREFIX else prefix.upper())
    if source == "NCBI":
        code = code.lower().removeprefix("txid")
        return Code("NCBIGENE" if plain == "NCBI" and "gene" in kind.lower() else source, code)
    if source == "MSH":
        return Code(source, code.upper().removeprefix("MESH:"))
    if source == "CELLOSAURUS" or prefix.upper() == "RRID":
        return Code("CELLOSAURUS", f"CVCL_{code.upper().removeprefix('CVCL_')}")
    if source in _WITHOUT_PREFIX:
        return Code(source, code)
    written = prefix.upper() if prefix.islower() else prefix
    return Code(source, f"{written}:{code}")


def _from_iri(iri: str, kind: str) -> Code:
    *before, last = re.split(r"[/#=]", iri.rstrip("/"))
    found = read_identifier(last, kind)
    if found.source == "?" and before[-1].upper() in _SOURCES:
        return _prefixed(before[-1], last, kind)
    return Code("?", iri) if found.source == "?" else found


def _of_number(identifier: str, kind: str) -> Code:
    kind = kind.lower()
    if identifier.isdecimal() and "gene" in kind:
        return Code("NCBIGENE", identifier)
    if identifier.isdecimal() and any(word in kind for word in ("species", "taxon", "organism")):
        return Code("NCBI", identifier)
    return Code("?", identifier)
