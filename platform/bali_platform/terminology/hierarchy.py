"""What is above, below and beside a code, as one vocabulary states it.

Concepts merge vocabularies, so one vocabulary's step may close another's into a cycle: every walk
keeps to one vocabulary, and visits each of its nodes once, however they are joined.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.graph.records import Records
from bali_platform.terminology.codes import Codes, Pair, unfailed
from bali_platform.terminology.records import (
    UMLS,
    Basis,
    CodedConcept,
    Hierarchy,
    Member,
    Outcome,
    Subsumption,
)

Direction = Literal["up", "down"]
Steps = dict[str, int]
Edges = dict[str, list[str]]
MAX_CYCLES = 100


class Walk(NamedTuple):
    """How far each node is from where a walk began, and what was found next to each."""

    steps: Steps
    edges: Edges


class Hierarchies(Codes):
    """Walks along the hierarchies of vocabularies.

    A node of a walk is a code where a vocabulary joins its atoms (MRHIER), else a concept.
    """

    def ancestors(
        self, code: str, source: str | None = None, *, depth: int | None = None
    ) -> Hierarchy:
        """Return all codes above one, nearest first; ``depth`` limits the steps."""
        return self._hierarchy(code, source, "up", depth)

    def descendants(
        self, code: str, source: str | None = None, *, depth: int | None = None
    ) -> Hierarchy:
        """Return all codes below one, nearest first; ``depth`` limits the steps."""
        return self._hierarchy(code, source, "down", depth)

    def siblings(self, code: str, source: str | None = None) -> Hierarchy:
        """Return the codes that share a parent with one."""
        start = self._in_hierarchy(self.resolve_code(code, source))
        node = self.node(start)
        above = self.walk(start.source, [node], "up", 1).steps.keys() - {node}
        beside = self.walk(start.source, above, "down", 1).steps.keys() - above - {node}
        members = self.members(start.source, dict.fromkeys(beside, 1))
        return Hierarchy(start, start.source, self.basis(start.source), members)

    def next_to(
        self, source: str, codes: Collection[CodedConcept]
    ) -> dict[str, tuple[list[str], list[str]]]:
        """Return the codes just above and just below each of a vocabulary's codes, in order."""
        nodes = list({self.node(code) for code in codes})
        rows = self.graph.rows(f"hierarchy_{self._kind(source)}_beside", nodes, source=source)
        near = {node: (above, below) for node, above, below in rows}
        at: dict[str, list[str]] = defaultdict(list)
        for found in self.codes_at(source, {n for both in near.values() for n in chain(*both)}):
            at[self.node(found)].append(found.code)

        def codes_of(beside: list[str]) -> list[str]:
            return sorted({code for node in beside for code in at[node]})

        nothing: tuple[list[str], list[str]] = [], []
        found_near = {code.code: near.get(self.node(code), nothing) for code in codes}
        return {code: (codes_of(a), codes_of(b)) for code, (a, b) in found_near.items()}

    def subsumes(self, a: str, b: str, source: str | None = None) -> Subsumption:
        """Return how code A stands to code B: above it, below it, the same, or neither."""
        return self.subsumes_each([(a, b)], source)[0]

    def subsumes_each(
        self, pairs: Sequence[tuple[str, str]], source: str | None = None
    ) -> list[Subsumption]:
        """Answer many pairs at once, as :meth:`subsumes`; both codes must be of one vocabulary.

        Raises the first error of :meth:`resolve_code` among the codes.
        """
        return unfailed(self.compare_each(pairs, source))

    def compare_each(
        self, pairs: Sequence[tuple[str, str]], source: str | None = None
    ) -> list[Subsumption | BaliError]:
        """Answer as :meth:`subsumes_each`, with errors in the place of answers."""
        texts = dict.fromkeys(text for pair in pairs for text in pair)
        codes = dict(zip(texts, self.resolve_each(texts, source), strict=True))
        asked = [_comparable(codes[a], codes[b]) for a, b in pairs]
        by_source: dict[str, set[str]] = defaultdict(set)
        for each in asked:
            if not isinstance(each, BaliError):
                by_source[each[0].source] |= set(map(self.node, each))
        edges = {sab: self.walk(sab, nodes, "up").edges for sab, nodes in by_source.items()}
        return [
            each if isinstance(each, BaliError) else self._subsumption(*each, edges[each[0].source])
            for each in asked
        ]

    def basis(self, source: str) -> Basis:
        """Return what a vocabulary's hierarchy is read from."""
        if source not in self._bases:
            joined = bool(self.graph.query("hierarchy_basis", source=source))
            self._bases[source] = "MRHIER" if joined else "relations"
        return self._bases[source]

    def node(self, code: CodedConcept) -> str:
        """Return the node of a walk that a code is at."""
        return code.code if self.basis(code.source) == "MRHIER" else code.cui

    def walk(
        self, source: str, starts: Iterable[str], direction: Direction, depth: int | None = None
    ) -> Walk:
        """Go from nodes to all that can be reached, visiting each once."""
        frontier = list(dict.fromkeys(starts))
        steps, edges, step = dict.fromkeys(frontier, 0), Edges(), 0
        while frontier and (depth is None or step < depth):
            step += 1
            edges |= self._edges(source, frontier, direction)
            reached = dict.fromkeys(chain.from_iterable(edges.get(node, ()) for node in frontier))
            frontier = [node for node in reached if node not in steps]
            steps.update(dict.fromkeys(frontier, step))
        return Walk(steps, edges)

    def _edges(self, source: str, nodes: list[str], direction: Direction) -> Edges:
        if direction == "down":
            return self._read_edges(source, nodes, direction)

        def read(new: list[Pair]) -> dict[Pair, list[str]]:
            edges = self._read_edges(source, [node for _, node in new], direction)
            return {(source, node): above for node, above in edges.items()}

        # What is high up is above many: it is read once.
        above = self._above.get(((source, node) for node in nodes), read)
        return {node: above[source, node] for node in nodes}

    def _read_edges(self, source: str, nodes: list[str], direction: Direction) -> Edges:
        rows = self.graph.rows(f"hierarchy_{self._kind(source)}_{direction}", nodes, source=source)
        edges: Edges = {node: [] for node in nodes}
        return edges | dict(rows)

    def _kind(self, source: str) -> str:
        return "atoms" if self.basis(source) == "MRHIER" else "relations"

    def members(self, source: str, steps: Mapping[str, int]) -> Records[Member]:
        """Return the codes of a vocabulary at some nodes, nearest first."""
        codes = self.codes_at(source, steps)
        found = (
            Member(code.source, code.code, code.name, code.cui, steps[self.node(code)])
            for code in codes
        )
        return Records(sorted(found, key=lambda member: (member.steps, member.code)))

    def codes_at(self, source: str, nodes: Collection[str]) -> list[CodedConcept]:
        """Return the codes of a vocabulary at nodes of a walk."""
        if self.basis(source) == "MRHIER":
            return list(self.find_codes((source, code) for code in nodes).values())
        here = self.codes_of(nodes, [source])
        # A term that merely points to a code may belong to a concept that the code does not name.
        doubtful = [(source, code.code) for code in here if not code.preferred]
        homes = {pair: found.cui for pair, found in self.find_codes(doubtful).items()}
        return [code for code in here if homes.get((source, code.code), code.cui) == code.cui]

    def _hierarchy(
        self, text: str, source: str | None, direction: Direction, depth: int | None
    ) -> Hierarchy:
        if depth is not None and depth < 1:
            raise UsageError(f"a depth must be at least 1, not {depth}")
        start = self._in_hierarchy(self.resolve_code(text, source))
        node = self.node(start)
        walked = self.walk(start.source, [node], direction, depth)
        del walked.steps[node]
        members = self.members(start.source, walked.steps)
        basis = self.basis(start.source)
        return Hierarchy(start, start.source, basis, members, cycles(walked.edges))

    def _in_hierarchy(self, code: CodedConcept) -> CodedConcept:
        if code.source == UMLS:
            raise UsageError(
                f"{code.code} is a concept of many vocabularies: name a code of one of them, such "
                f"as those of `bali concept show {code.code}`"
            )
        return code

    def _subsumption(
        self, a: CodedConcept, b: CodedConcept, edges: Mapping[str, list[str]]
    ) -> Subsumption:
        ends = self.node(a), self.node(b)
        outcome: Outcome = "not-subsumed"
        if ends[0] == ends[1]:
            outcome = "equivalent"
        elif ends[0] in _reached(ends[1], edges):
            outcome = "subsumes"
        elif ends[1] in _reached(ends[0], edges):
            outcome = "subsumed-by"
        return Subsumption(a, b, outcome, a.source, self.basis(a.source))


def cycles(edges: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return ways round that lead back to where they began, one for each knot of nodes.

    >>> cycles({"a": ["b"], "b": ["c"], "c": ["a", "d"]})
    (('a', 'b', 'c', 'a'),)
    """
    import networkx

    graph = networkx.DiGraph((a, b) for a, several in edges.items() for b in several)
    found: list[tuple[str, ...]] = []
    for knot in networkx.strongly_connected_components(graph):
        if len(knot) > 1 and len(found) < MAX_CYCLES:
            start = min(knot)
            way = [a for a, _ in networkx.find_cycle(graph.subgraph(knot), start)]
            found.append((*way, way[0]))
    return tuple(sorted(found))


def _reached(start: str, edges: Mapping[str, Sequence[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for node in edges.get(waiting.pop(), ()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen


def _comparable(
    a: CodedConcept | BaliError, b: CodedConcept | BaliError
) -> tuple[CodedConcept, CodedConcept] | BaliError:
    if isinstance(a, BaliError):
        return a
    if isinstance(b, BaliError):
        return b
    if UMLS in (a.source, b.source):
        return UsageError("concepts of many vocabularies are compared by a code of one of them")
    if a.source != b.source:
        return UsageError(
            f"{a} and {b} are codes of two vocabularies, whose hierarchies are not joined"
        )
    return a, b
