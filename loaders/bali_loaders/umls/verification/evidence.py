"""What the release says of a few concepts, read line by line in plain Python.

This is the second opinion that :func:`~bali_loaders.umls.verify` holds the graph against. It shares
no code with the transform: it reads the lines another way and decides by its own reading of the
rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bali_loaders.releases import Release
from bali_loaders.umls.options import LoadOptions
from bali_loaders.umls.verification.lines import Lines, Row
from bali_loaders.umls.verification.selection import Selection

_Edge = tuple[str, str, str, bool]  # source, target, relation, whether that is a RELA
_Statements = dict[_Edge, set[tuple[str, str]]]


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """An edge at a concept: ``relation`` is the RELA, else the REL, in its canonical direction."""

    outgoing: bool
    relation: str
    is_rela: bool
    neighbour: str
    rel: str
    sabs: tuple[str, ...]


@dataclass(slots=True)
class Evidence:
    """What must be found at one concept, and nothing else; ``names`` are best first.

    ``atoms`` are (AUI, source, name), ``definitions`` (ATUI, source, text), ``types`` TUIs.
    """

    cui: str
    loaded: bool = False
    suppressed: bool = False
    names: list[str] = field(default_factory=list)
    atoms: set[tuple[str, str, str]] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    definitions: set[tuple[str, str, str]] = field(default_factory=set)
    definition: str | None = None
    facts: set[Fact] = field(default_factory=set)


@dataclass(slots=True)
class Retired:
    """What must be found of a retired concept: ``replacements`` are the relation by live CUI.

    ``reason`` is ``None`` for one that must not be there, as it still is a concept.
    """

    cui: str
    reason: str | None
    replacements: dict[str, str]


class Reader:
    """Gathers evidence from ``release`` under the filters ``options``, line by line.

    ``repeated`` says that some AUIs stand in several rows, which takes further passes to settle.
    """

    def __init__(
        self, release: Release, options: LoadOptions, lines: Lines, *, repeated: bool = False
    ) -> None:
        self._release, self._lines, self._repeated = release, lines, repeated
        self._selection = Selection.of(options, self._all("MRSAB"))
        self._ranks: dict[tuple[str, str], int] = defaultdict(lambda: -1)
        for row in self._all("MRRANK"):
            kind = row["SAB"], row["TTY"]
            rank = int(row["RANK"]) if row["RANK"].isdigit() else -1
            self._ranks[kind] = max(rank, self._ranks[kind])
        documentation = list(self._all("MRDOC"))
        self._rel_inverse = _inverses(r for r in documentation if r["TYPE"] == "rel_inverse")
        self._rela_inverse = _inverses(r for r in documentation if r["TYPE"] == "rela_inverse")

    def choose(self, count: int, seed: int) -> set[str]:
        """Choose ``count`` concepts, half uniformly, half as ends of relations chosen uniformly."""
        uniform = self._lines.draw("MRCONSO", "CUI", count - count // 2, seed)
        return uniform | self._lines.draw("MRREL", "CUI1", count // 2, seed, by_row=True)

    def choose_retired(self, count: int, seed: int) -> set[str]:
        """Choose ``count`` retired concepts uniformly from each of MRCUI and the CHANGE files."""
        return (
            self._lines.draw("MRCUI", "CUI1", count, seed)
            | self._lines.draw("CHANGE/MERGEDCUI", "PCUI", count, seed)
            | self._lines.draw("CHANGE/DELETEDCUI", "PCUI", count, seed)
        )

    def gather(
        self, concepts: Collection[str], retired: Collection[str]
    ) -> tuple[list[Evidence], list[Retired]]:
        """Gather all that must be found of ``concepts`` and ``retired``."""
        statements = self._statements(concepts)
        history = self._history(retired)
        ends = {end for source, target, *_ in statements for end in (source, target)}
        targets = {target for maps in history.values() for _, target in maps}
        named = {*concepts, *history, *(self._disputed & {*ends, *targets})}
        atoms = self._atoms(named)
        loaded = {cui for cui, rows in atoms.items() if any(map(self._selection.atom, rows))}
        others = {*ends, *targets} - named
        loaded |= self._lines.having("MRCONSO", "CUI", others, self._selection.atom)
        evidence = {cui: self._named(cui, atoms.get(cui, [])) for cui in concepts}
        self._add_facts(evidence, statements, loaded)
        self._add_types(evidence)
        self._add_definitions(evidence)
        gone = {cui: maps for cui, maps in history.items() if maps and cui not in atoms}
        followed = [_follow(cui, gone, loaded) for cui in sorted(retired)]
        return list(evidence.values()), followed

    def _all(self, file: str) -> Iterator[Row]:
        return self._release.rows(file) if file in self._release.files else iter(())

    @cached_property
    def _claims(self) -> dict[str, list[Row]]:
        """The rows of each AUI that stands in several; the first of them in order counts."""
        claims: dict[str, list[Row]] = defaultdict(list)
        if self._repeated:
            repeated = self._lines.repeated("MRCONSO", "AUI")
            for row in self._lines.find("MRCONSO", ("AUI",), repeated):
                claims[row["AUI"]].append(row)
        return claims

    @property
    def _disputed(self) -> set[str]:
        return {row["CUI"] for rows in self._claims.values() for row in rows}

    def _atoms(self, cuis: Collection[str]) -> dict[str, list[Row]]:
        """Return the rows of MRCONSO that count, by concept."""
        rows = [min(claim, key=_in_order) for claim in self._claims.values()]
        named = self._lines.find("MRCONSO", ("CUI",), cuis)
        rows += (row for row in named if row["AUI"] not in self._claims)
        found: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row["CUI"] in cuis:
                found[row["CUI"]].append(row)
        return found

    def _named(self, cui: str, rows: Iterable[Row]) -> Evidence:
        wanted = [row for row in rows if self._selection.atom(row)]
        kept = [row for row in wanted if not self._selection.suppressed(row)]
        best_first = sorted(kept or wanted, key=self._standing)
        return Evidence(
            cui,
            loaded=bool(wanted),
            suppressed=bool(wanted) and not kept,
            names=list(dict.fromkeys(row["STR"] for row in best_first)),
            atoms={(row["AUI"], row["SAB"], row["STR"]) for row in best_first},
        )

    def _standing(self, row: Row) -> tuple[object, ...]:
        flags = row.get("TS") != "P", row.get("STT") != "PF", row.get("ISPREF") != "Y"
        return -self._ranks[row["SAB"], row["TTY"]], *flags, row["AUI"]

    def _statements(self, cuis: Collection[str]) -> _Statements:
        """Return what MRREL states of ``cuis``, each edge with the (REL, source) pairs for it."""
        found: _Statements = defaultdict(set)
        for row in self._lines.find("MRREL", ("CUI1", "CUI2"), cuis):
            if self._selection.relation(row):
                edge, rel = self._turned(row)
                found[edge].add((rel, row["SAB"]))
        return found

    def _add_facts(
        self, evidence: Mapping[str, Evidence], statements: _Statements, loaded: Collection[str]
    ) -> None:
        for (source, target, relation, is_rela), stated in statements.items():
            if source not in loaded or target not in loaded:
                continue
            rel = min(rel for rel, _ in stated)
            sabs = tuple(sorted({sab for _, sab in stated}))
            if source in evidence:
                evidence[source].facts.add(Fact(True, relation, is_rela, target, rel, sabs))
            if target in evidence:
                evidence[target].facts.add(Fact(False, relation, is_rela, source, rel, sabs))

    def _turned(self, row: Row) -> tuple[_Edge, str]:
        """Return the edge that states ``row``, and the REL in the edge's direction."""
        one, two, rel = row["CUI1"], row["CUI2"], row["REL"]
        relation, is_rela = row["RELA"] or rel, bool(row["RELA"])
        inverse = (self._rela_inverse if is_rela else self._rel_inverse).get(relation)
        as_stated = (two, one, relation, is_rela), rel
        turned = (one, two, inverse or relation, is_rela), self._rel_inverse.get(rel, rel)
        if inverse == relation:
            return min(as_stated, turned)
        if inverse and _better(relation, inverse) == inverse:
            return turned
        return as_stated

    def _add_types(self, evidence: Mapping[str, Evidence]) -> None:
        for row in self._lines.find("MRSTY", ("CUI",), evidence):
            if evidence[row["CUI"]].loaded and row["TUI"] and row["STY"]:
                evidence[row["CUI"]].types.add(row["TUI"])

    def _add_definitions(self, evidence: Mapping[str, Evidence]) -> None:
        best: dict[str, int] = defaultdict(lambda: -1)
        for (sab, _), rank in self._ranks.items():
            best[sab] = max(best[sab], rank)
        for row in self._lines.find("MRDEF", ("CUI",), evidence):
            if evidence[row["CUI"]].loaded and self._selection.definition(row):
                evidence[row["CUI"]].definitions.add((row["ATUI"], row["SAB"], row["DEF"]))
        for found in evidence.values():
            ordered = sorted(found.definitions, key=lambda d: (-best[d[1]], d[0]))
            found.definition = ordered[0][2] if ordered else None

    def _history(self, cuis: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """Return (relation, target) rows of retired concepts and of those they were mapped to."""
        maps: dict[str, list[tuple[str, str]]] = {}
        asked = set(cuis)
        while asked:
            maps |= {cui: [] for cui in asked}
            for row in self._lines.find("MRCUI", ("CUI1",), asked):
                if row["REL"]:
                    maps[row["CUI1"]].append((row["REL"], row["CUI2"]))
            for row in self._lines.find("CHANGE/MERGEDCUI", ("PCUI",), asked):
                maps[row["PCUI"]].append(("SY", row["CUI"]))
            for row in self._lines.find("CHANGE/DELETEDCUI", ("PCUI",), asked):
                maps[row["PCUI"]].append(("DEL", ""))
            asked = {target for cui in asked for _, target in maps[cui]} - maps.keys() - {""}
        return maps


def _in_order(row: Row) -> list[tuple[bool, str]]:
    return [(not value, value) for value in row.values()]


def _inverses(rows: Iterable[Row]) -> dict[str, str]:
    stated: dict[str, str] = {}
    implied: dict[str, str] = {}
    for name, inverse in sorted((row["VALUE"], row["EXPL"]) for row in rows):
        if name and inverse:
            stated.setdefault(name, inverse)
            implied.setdefault(inverse, name)
    return implied | stated


def _better(one: str, other: str) -> str:
    """Return which of two inverse relations the graph keeps."""
    for first, second in ((one, other), (other, one)):
        if (first, second) in (("CHD", "PAR"), ("RN", "RB")):
            return first
        if second.startswith("inverse_") and not first.startswith("inverse_"):
            return first
    if one.startswith("inverse_") == other.startswith("inverse_"):
        for first, second in ((one, other), (other, one)):
            if second.endswith("_of") and not first.endswith("_of"):
                return first
    return min(one, other)


def _follow(
    cui: str, history: Mapping[str, list[tuple[str, str]]], loaded: Collection[str]
) -> Retired:
    """Walk the maps of ``cui`` to loaded concepts; a chain is as its first step that is not SY."""
    if cui not in history:
        return Retired(cui, None, {})
    own = history[cui]
    merged = any(rel == "SY" for rel, _ in own)
    mapped = any(target for _, target in own)
    reason = "merged" if merged else "mapped" if mapped else "deleted"
    found: dict[str, set[str]] = defaultdict(set)
    paths, seen = [("SY", cui)], set()
    while paths:
        path = paths.pop()
        if path in seen:
            continue
        seen.add(path)
        for rel, target in history.get(path[1], []):
            if target and target != path[1]:
                step = rel if path[0] == "SY" else path[0]
                paths.append((step, target))
                if target in loaded:
                    found[target].add(step)
    best = {target: min(rels, key=lambda rel: (rel != "SY", rel)) for target, rels in found.items()}
    return Retired(cui, reason, best)
