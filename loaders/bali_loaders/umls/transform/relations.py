"""Relationship types between concepts: inverses, the direction that is kept, names for Neo4j.

UMLS states an asymmetric fact twice, once a direction. The graph keeps one, and always the same:
of a relation and its inverse the smaller of (starts with ``inverse_``, ends with ``_of``, name),
``CHD`` rather than ``PAR``, ``RN`` rather than ``RB``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

from bali_loaders.umls.transform.outputs import STRUCTURAL_TYPES

BROADER = frozenset({"PAR", "RB"})


@dataclass(frozen=True, slots=True)
class Relation:
    """What becomes of the rows of MRREL with one (REL, RELA).

    ``name`` is the RELA or REL that is kept; ``inverted`` rows are turned round and then carry
    ``inverse_rel``; a ``symmetric`` relation is turned where that makes it run from the smaller
    concept to the larger.
    """

    name: str
    is_rela: bool
    symmetric: bool
    inverted: bool
    inverse_rel: str


class Relations:
    """The inverses that MRDOC lists, of REL and of RELA.

    ``documentation`` is MRDOC's rows by column name. A relation listed with an inverse that is not
    itself listed counts as that one's inverse, too; one without any inverse is taken as it stands.
    """

    def __init__(self, documentation: Iterable[Mapping[str, str]]) -> None:
        rows = [row for row in documentation if row["VALUE"] and row["EXPL"]]
        self._rel = _inverses(r for r in rows if r["TYPE"] == "rel_inverse")
        self._rela = _inverses(r for r in rows if r["TYPE"] == "rela_inverse")

    def canonical(self, rel: str, rela: str) -> Relation:
        """Tell what becomes of a row with this REL and RELA (empty when it has none).

        >>> documentation = [dict(VALUE="isa", TYPE="rela_inverse", EXPL="inverse_isa")]
        >>> Relations(documentation).canonical("PAR", "inverse_isa").name
        'isa'
        """
        name = rela or rel
        inverse = (self._rela if rela else self._rel).get(name)
        kept = min(name, inverse or name, key=_rela_order if rela else _rel_order)
        return Relation(kept, bool(rela), inverse == name, kept != name, self._rel.get(rel, rel))


def _inverses(rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    pairs = sorted({(row["VALUE"], row["EXPL"]) for row in rows}, reverse=True)
    return {inverse: name for name, inverse in pairs} | dict(pairs)


def _rela_order(name: str) -> tuple[bool, bool, str]:
    return name.startswith("inverse_"), name.endswith("_of"), name


def _rel_order(name: str) -> tuple[bool, str]:
    return name in BROADER, name


def type_name(name: str) -> str:
    """Turn any text into a relationship type that Cypher takes without quotes.

    >>> type_name("isa"), type_name("has-part (direct)"), type_name("1st_of")
    ('ISA', 'HAS_PART_DIRECT', 'R_1ST_OF')
    """
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "_", ascii_only).strip("_").upper()
    if not words:
        return f"R_{crc32(name.encode()):08X}"
    return f"R_{words}" if words[0].isdigit() else words


def type_names(names: Iterable[tuple[str, bool]]) -> dict[tuple[str, bool], str]:
    """Name each ``(name, is RELA)`` distinctly: where two clash, the plainer keeps the short name.

    A REL wins over a RELA, then whoever differs from the type in case alone; the others carry a
    checksum of their own name, so that they keep their types from release to release.
    """
    named: dict[tuple[str, bool], str] = {}
    taken = set(STRUCTURAL_TYPES)
    for name, is_rela in sorted(set(names), key=_plainness):
        short = type_name(name)
        named[name, is_rela] = f"{short}_{crc32(name.encode()):08X}" if short in taken else short
        taken.add(named[name, is_rela])
    return named


def _plainness(name: tuple[str, bool]) -> tuple[bool, bool, str]:
    text, is_rela = name
    return is_rela, text.upper() != type_name(text), text
