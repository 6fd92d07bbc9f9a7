"""Maps in the Simple Standard for Sharing Ontology Mappings (SSSOM)."""

from __future__ import annotations

from bali_platform.terminology.records import MapRow
from bali_platform.terminology.systems import by_sab

COLUMNS = (
    "subject_id", "subject_label", "subject_source", "predicate_id", "object_id", "object_label",
    "object_source", "mapping_justification", "mapping_source", "mapping_tool", "comment",
)  # fmt: skip
NOTHING = "sssom:NoTermFound"
JUSTIFICATIONS = {
    "concept": "semapv:MappingChaining",
    "rule": "semapv:MappingReview",
    "ancestor": "semapv:MappingChaining",
    "": "semapv:MappingChaining",
}


def sssom_row(row: MapRow) -> list[str] | None:
    """Return a row of a map as SSSOM's columns; None for a code that is unknown."""
    if row.status == "unknown":
        return None
    target = curie(row.target, row.target_code) if row.target_code else NOTHING
    comment = "; ".join(filter(None, (row.status, row.cui, row.rule, row.advice, row.note)))
    return [
        curie(row.source, row.code),
        row.name,
        row.source,
        row.relation or "skos:exactMatch",
        target,
        row.target_name,
        row.target,
        JUSTIFICATIONS[row.method],
        row.map_set or f"UMLS:{row.release}",
        "bali",
        comment,
    ]


def curie(source: str, code: str) -> str:
    """Return a code as a CURIE.

    >>> curie("MSH", "D009203"), curie("HPO", "HP:0001658")
    ('mesh:D009203', 'HP:0001658')
    """
    system = by_sab().get(source)
    return code if ":" in code else f"{system.prefix if system else source}:{code}"
