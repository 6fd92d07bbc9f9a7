"""The import files: which there are, and what each becomes in the graph."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Output:
    """One kind of import file: nodes with ``label``, or relationships with ``type``.

    Concepts have further labels, and facts and the Semantic Network their types, in a column.
    """

    name: str
    label: str | None = None
    type: str | None = None


OUTPUTS = (
    Output("concepts", label="Concept"),
    Output("atoms", label="Atom"),
    Output("definitions", label="Definition"),
    Output("semantic_types", label="SemanticType"),
    Output("sources", label="Source"),
    Output("retired", label="RetiredConcept"),
    Output("has_atom", type="HAS_ATOM"),
    Output("has_semantic_type", type="HAS_SEMANTIC_TYPE"),
    Output("defined_by", type="DEFINED_BY"),
    Output("facts"),
    Output("network"),
    Output("replaced_by", type="REPLACED_BY"),
    Output("attributes", label="Attribute"),
    Output("atom_attributes", type="HAS_ATTRIBUTE"),
    Output("concept_attributes", type="HAS_ATTRIBUTE"),
    Output("hierarchies", type="BELOW"),
    Output("mappings", label="Mapping"),
    Output("has_mapping", type="HAS_MAPPING"),
)

STRUCTURAL_TYPES = frozenset(output.type for output in OUTPUTS if output.type)
"""Relationship types that no relation between concepts may take."""
