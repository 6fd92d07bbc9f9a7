"""The graph's schema as an agent can take it: families of relationship types, not all of them."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from bali.agents.answers import Table
from bali_platform.graph import Graph

MOST_USED = 15
SHORT = 3  # letters: a word, and not the beginning of one
FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("hierarchy", ("ISA", "CHD", "PAR", "RB", "RN", "SUBCLASS", "SUBSET", "MEMBER", "CLASS")),
    ("treatment", ("TREAT", "PREVENT", "INDICAT", "CONTRAINDICAT", "THERAP", "REGIMEN")),
    ("cause and effect", ("CAUSE", "DUE", "INDUCE", "RESULT", "EFFECT", "REGULAT", "AGENT")),
    ("place", ("SITE", "LOCATION", "LOCATED", "PART", "REGION", "ANATOM", "LATERAL")),
    (
        "substance",
        ("INGREDIENT", "COMPONENT", "DOSE", "FORM", "SUBSTANCE", "TRADENAME", "STRENGTH"),
    ),
    ("genes", ("GENE", "ALLELE", "CHROMOSOME", "PROTEIN", "MUTATION", "BIOMARKER")),
    ("mapping and likeness", ("MAP", "SAME", "SY", "RQ", "RL", "EQUIVALENT", "REPLACED", "ALIAS")),
    ("findings", ("FINDING", "MANIFEST", "PHENOTYPE", "MORPHOLOGY", "INTERPRET", "ASSOCIATED")),
)
NODES = (
    ("(:Concept)", "cui, name, names, definition, semantic_types, sources, embedding"),
    ("(:Atom)", "aui, name, sab, tty, code, language, suppress"),
    ("(:Definition)", "atui, sab, text"),
    ("(:SemanticType)", "tui, name, group, definition"),
    ("(:Source)", "sab, name, version, concepts, atoms, facts"),
    ("(:RetiredConcept)-[:REPLACED_BY]->(:Concept)", "cui, reason"),
    ("(:Concept)-[:HAS_ATOM]->(:Atom)", ""),
    ("(:Concept)-[:DEFINED_BY]->(:Definition)", ""),
    ("(:Concept)-[:HAS_SEMANTIC_TYPE]->(:SemanticType)", ""),
    ("(:Concept)-[:TYPE {rel, rela, sabs}]->(:Concept)", "sabs: who asserts it"),
)


class Schema:
    """The schema of one graph; relationships are counted once, on first use."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def overview(self) -> Table:
        """Return the nodes, the families of relationship types, and the most used ones."""
        families: dict[str, list[str]] = defaultdict(list)
        for name in self._counts:
            families[_family(name)].append(name)
        rows: list[tuple[str, object, object]] = [("node or pattern", *row) for row in NODES]
        for family, names in families.items():
            edges = sum(self._counts[name] for name in names)
            rows.append((f"family: {family}", f"{len(names)} types, {edges} edges", names[:4]))
        most = list(self._counts.items())[:MOST_USED]
        rows += [("relationship type", name, f"{count} edges") for name, count in most]
        return Table(
            f"{len(self._counts)} relationship types join concepts",
            ("what", "name", "detail"),
            rows,
            notes=["the other types: show_schema with words of a type's name, or a family's name"],
        )

    def search(self, text: str, limit: int) -> Table:
        """Return the relationship types whose names have the words of ``text``, or of a family."""
        words = text.upper().replace("_", " ").split()
        found = [
            (name, _family(name), count)
            for name, count in self._counts.items()
            if text.casefold() == _family(name) or all(word in name for word in words)
        ]
        return Table(
            f"{len(found)} of {len(self._counts)} relationship types match",
            ("type", "family", "edges"),
            found[:limit],
            total=len(found),
            less="give more words, or raise limit",
        )

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Edges of each relationship type, the most used first."""
        known = set(self._graph.relation_types)
        counts = {row["type"]: row["edges"] for row in self._graph.query("relation_counts")}
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return {name: edges for name, edges in ranked if name in known}


def _family(name: str) -> str:
    words = name.removeprefix("INVERSE_").split("_")
    for family, roots in FAMILIES:
        if any(_has_root(word, root) for word in words for root in roots):
            return family
    return "other"


def _has_root(word: str, root: str) -> bool:
    return word.startswith(root) if len(root) > SHORT else word == root
