"""The 15 UMLS semantic groups: how semantic types colour the graph.

Every concept carries the label of each group that its semantic types belong to. The grouping is
that of McCray, Burgun and Bodenreider (MEDINFO 2001), as the National Library of Medicine keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class SemanticGroup:
    """A group: NLM's abbreviation and name, its label in the graph, its semantic types (TUIs)."""

    abbreviation: str
    name: str
    label: str
    types: frozenset[str]


def _group(abbreviation: str, name: str, label: str, numbers: str) -> SemanticGroup:
    types = frozenset(f"T{number}" for number in numbers.split())
    return SemanticGroup(abbreviation, name, label, types)


SEMANTIC_GROUPS = (
    _group("ACTI", "Activities & Behaviors", "Activity", "051 052 053 054 055 056 057 064 066"),
    _group("ANAT", "Anatomy", "Anatomy", "017 018 021 022 023 024 025 026 029 030 031"),
    _group(
        "CHEM",
        "Chemicals & Drugs",
        "ChemicalOrDrug",
        "103 104 109 110 111 114 115 116 118 119 120 121 122 123 124 125 126 127 129 130 131 192 "
        "195 196 197 200",
    ),
    _group("CONC", "Concepts & Ideas", "Idea", "077 078 079 080 081 082 089 102 169 170 171 185"),
    _group("DEVI", "Devices", "Device", "074 075 203"),
    _group("DISO", "Disorders", "Disorder", "019 020 033 037 046 047 048 049 050 184 190 191"),
    _group("GENE", "Genes & Molecular Sequences", "Gene", "028 085 086 087 088"),
    _group("GEOG", "Geographic Areas", "GeographicArea", "083"),
    _group(
        "LIVB",
        "Living Beings",
        "LivingBeing",
        "001 002 003 004 005 006 007 008 009 010 011 012 013 014 015 016 096 097 098 099 100 101 "
        "194 204",
    ),
    _group("OBJC", "Objects", "Object", "071 072 073 167 168"),
    _group("OCCU", "Occupations", "Occupation", "090 091"),
    _group("ORGA", "Organizations", "Organization", "092 093 094 095"),
    _group("PHEN", "Phenomena", "Phenomenon", "034 038 067 068 069 070"),
    _group("PHYS", "Physiology", "Physiology", "032 039 040 041 042 043 044 045 201"),
    _group("PROC", "Procedures", "Procedure", "058 059 060 061 062 063 065"),
)


@cache
def group_of(tui: str) -> SemanticGroup | None:
    """Return the group of a semantic type; ``None`` for one that NLM has not grouped.

    >>> group_of("T047").label
    'Disorder'
    """
    return next((group for group in SEMANTIC_GROUPS if tui in group.types), None)
