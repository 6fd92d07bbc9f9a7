"""From the identifiers that corpora use to concepts of the graph; nothing is dropped unseen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

from bali_loaders.corpora.codes import Code, read_identifier
from bali_loaders.corpora.documents import Annotation
from bali_loaders.corpora.sources import Source, lines_of
from bali_platform.base.errors import BaliError
from bali_platform.graph.client import Graph

Outcome = Literal["mapped", "ambiguous", "unmapped"]

_MAIN_TERMS = ("MH", "NM", "PT", "PN", "HT")


class CodeSource(Protocol):
    """Where the concepts of codes can be looked up."""

    def concepts(self, codes: Iterable[Code]) -> dict[Code, dict[str, set[str]]]:
        """Return for each known code its concepts, each with the term types that carry the code."""


class GraphCodes:
    """The live graph as a source of codes."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def concepts(self, codes: Iterable[Code]) -> dict[Code, dict[str, set[str]]]:
        """Look all codes up in two round trips; retired CUIs answer with their successor.

        A code that no source has may be the id of a concept, whatever its shape.
        """
        asked = sorted(set(codes))
        found: dict[Code, dict[str, set[str]]] = defaultdict(dict)
        pairs = [list(code) for code in asked if code.source not in ("CUI", "?")]
        for row in self._graph.query("code_concepts", codes=pairs) if pairs else ():
            found[Code(row["source"], row["code"])][row["cui"]] = set(row["term_types"])
        own = [code for code in asked if code not in found and _may_be_id(code)]
        ids = {name for code in own for name in (code.code, code.code.upper())}
        concepts = self._graph.concepts(sorted(ids)) if ids else {}
        for code in own:
            if concept := concepts.get(code.code) or concepts.get(code.code.upper()):
                found[code][concept.cui] = set()
        return dict(found)


class TableCodes:
    """A table of codes beside a graph, for vocabularies that the graph does not hold.

    Its lines are an identifier, a tab and a CUI; further columns are passed by. The graph is asked
    first; what it does not know, the table may.
    """

    def __init__(self, path: Path, graph: CodeSource) -> None:
        self._graph = graph
        self._cuis: dict[Code, set[str]] = defaultdict(set)
        for number, line in lines_of(Source(path, path.name)):
            columns = line.split("\t")
            if len(columns) < 2 or not columns[1].strip() or " " in columns[1].strip():
                raise BaliError(f"{path}, line {number}: not an identifier, a tab and a CUI")
            self._cuis[read_identifier(columns[0])].add(columns[1].strip())

    def concepts(self, codes: Iterable[Code]) -> dict[Code, dict[str, set[str]]]:
        """Look all codes up; CUIs of the table that the graph does not hold are unknown."""
        asked = set(codes)
        found = self._graph.concepts(asked)
        rest = asked - found.keys()
        wanted = {Code("CUI", cui) for code in rest for cui in self._cuis.get(code, ())}
        live = self._graph.concepts(wanted)
        for code in rest & self._cuis.keys():
            cuis = [cui for known in self._cuis[code] for cui in live.get(Code("CUI", known), ())]
            if cuis:
                found[code] = {cui: set() for cui in cuis}
        return found


class IdentifierMap:
    """Maps the identifiers of annotations, and keeps a table of how that went.

    Where several concepts carry a code, the only one that carries it with a main term (``MH``,
    ``PT``) is meant; otherwise the code is ambiguous, and not mapped.

    Attributes:
        table: For each vocabulary, how many mentions were mapped, ambiguous, unmapped.
    """

    def __init__(self, source: CodeSource, *, table: dict[str, Counter[str]] | None = None) -> None:
        self._source = source
        self._known: dict[Code, tuple[Outcome, str]] = {}
        self.table = defaultdict[str, Counter[str]](Counter) if table is None else table

    def learn(self, annotations: Iterable[Annotation]) -> None:
        """Look up, at once, all identifiers of the annotations that are still unknown."""
        codes = {code for a in annotations for code in _codes(a)} - self._known.keys()
        found = self._source.concepts(code for code in codes if code.source != "NIL")
        for code in codes:
            self._known[code] = _choose(found.get(code, {}))

    def cuis(self, annotation: Annotation) -> list[str]:
        """Return the concepts of an annotation, each once, and note the outcome in the table."""
        cuis: dict[str, None] = {}
        for code in _codes(annotation):
            outcome, cui = self._known[code]
            self.table[code.source][outcome] += 1
            if outcome == "mapped":
                cuis[cui] = None
        return list(cuis)


def _codes(annotation: Annotation) -> list[Code]:
    identifiers = annotation.identifiers or ("",)
    return [read_identifier(identifier, annotation.kind) for identifier in identifiers]


def _may_be_id(code: Code) -> bool:
    return code.source == "CUI" or ":" in code.code or not code.code.isdecimal()


def _choose(concepts: dict[str, set[str]]) -> tuple[Outcome, str]:
    if len(concepts) > 1:
        main = {cui: types for cui, types in concepts.items() if types.intersection(_MAIN_TERMS)}
        concepts = main or concepts
    if len(concepts) == 1:
        return "mapped", next(iter(concepts))
    return ("ambiguous" if concepts else "unmapped"), ""
