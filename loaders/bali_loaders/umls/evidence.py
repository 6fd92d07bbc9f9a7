"""What the release says of a few concepts, read line by line in plain Python.

This is the second opinion that :mod:`bali_loaders.umls.verify` holds the graph against. It shares
no code with the transform: it reads the lines another way and decides by its own reading of the
rules.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from io import BufferedReader
from zlib import crc32

from bali_loaders.releases import Release
from bali_loaders.umls.options import LoadOptions

__all__ = ["Evidence", "Fact", "Reader", "Retired", "open_lines"]

Row = dict[str, str]


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


def open_lines(release: Release, file: str) -> gzip.GzipFile | BufferedReader:
    """Open a file for reading again and again: unpacked once, as Python reads archives slowly."""
    (path,) = release.local(file)
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


class Reader:
    """Gathers evidence from ``release`` under the filters ``options``.

    ``repeated`` says that some AUIs stand in several rows, which takes a further pass to settle.
    """

    def __init__(self, release: Release, options: LoadOptions, *, repeated: bool = False) -> None:
        self._release, self._options, self._repeated = release, options, repeated
        self._licences: dict[str, str] = {}
        self._languages: dict[str, str] = {}
        for row in sorted(self._all("MRSAB"), key=_currency):
            self._licences[row["RSAB"]] = row["SRL"]
            self._languages[row["RSAB"]] = row["LAT"]
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
        uniform = self._draw("MRCONSO", "CUI", count - count // 2, seed)
        return uniform | self._draw("MRREL", "CUI1", count // 2, seed, by_row=True)

    def choose_retired(self, count: int, seed: int) -> set[str]:
        """Choose ``count`` retired concepts uniformly from each of MRCUI and the CHANGE files."""
        return (
            self._draw("MRCUI", "CUI1", count, seed)
            | self._draw("CHANGE/MERGEDCUI", "PCUI", count, seed)
            | self._draw("CHANGE/DELETEDCUI", "PCUI", count, seed)
        )

    def gather(
        self, concepts: Collection[str], retired: Collection[str]
    ) -> tuple[list[Evidence], list[Retired]]:
        """Gather all that must be found of ``concepts`` and ``retired``."""
        relations = list(self._rows("MRREL", ("CUI1", "CUI2"), concepts))
        history = self._history(retired)
        neighbours = {row[end] for row in relations for end in ("CUI1", "CUI2")}
        targets = {target for maps in history.values() for _, target in maps}
        atoms = self._atoms({*concepts, *neighbours, *targets, *retired})
        evidence = {cui: self._named(cui, atoms.get(cui, [])) for cui in concepts}
        loaded = {cui for cui, rows in atoms.items() if any(map(self._wanted_atom, rows))}
        self._add_facts(evidence, relations, loaded)
        self._add_types(evidence)
        self._add_definitions(evidence)
        gone = {cui: maps for cui, maps in history.items() if maps and cui not in atoms}
        followed = [_follow(cui, gone, loaded) for cui in sorted(retired)]
        return list(evidence.values()), followed

    def _all(self, file: str) -> Iterator[Row]:
        return self._release.rows(file) if file in self._release.files else iter(())

    def _rows(self, file: str, columns: Iterable[str], wanted: Collection[str]) -> Iterator[Row]:
        """Yield the rows in which any of ``columns`` has a ``wanted`` value."""
        if file not in self._release.files or not wanted:
            return
        names = self._release.files[file].columns
        places = [names.index(column) for column in columns]
        keys = {key.encode() for key in wanted}
        with open_lines(self._release, file) as stream:
            for line in stream:
                head = line.split(b"|", max(places) + 1)
                if any(head[place] in keys for place in places):
                    values = line.decode().rstrip("\r\n").split("|")
                    yield dict(zip(names, values, strict=False))

    def _draw(
        self, file: str, column: str, count: int, seed: int, *, by_row: bool = False
    ) -> set[str]:
        """Draw values of a column uniformly, by least checksum; ``by_row`` draws rows instead."""
        if file not in self._release.files or not count:
            return set()
        place = self._release.files[file].columns.index(column)
        heap: list[tuple[int, bytes]] = []
        drawn: set[bytes] = set()
        with open_lines(self._release, file) as stream:
            for line in stream:
                value = line.split(b"|", place + 1)[place]
                key = line if by_row else value
                entry = -crc32(key, seed), value
                if not value or value in drawn or (len(heap) == count and entry <= heap[0]):
                    continue
                drawn.add(value)
                heappush(heap, entry)
                if len(heap) > count:
                    drawn.discard(heappop(heap)[1])
        return {value.decode() for value in drawn}

    def _atoms(self, cuis: Collection[str]) -> dict[str, list[Row]]:
        rows = list(self._rows("MRCONSO", ("CUI",), cuis))
        if self._repeated:
            claims: dict[str, list[Row]] = defaultdict(list)
            for row in self._rows("MRCONSO", ("AUI",), {row["AUI"] for row in rows} - {""}):
                claims[row["AUI"]].append(row)
            first = {aui: min(claim, key=_in_order) for aui, claim in claims.items()}
            rows = [row for row in rows if not row["AUI"]]
            rows += [row for row in first.values() if row["CUI"] in cuis]
        found: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            found[row["CUI"]].append(row)
        return found

    def _named(self, cui: str, rows: Iterable[Row]) -> Evidence:
        wanted = [row for row in rows if self._wanted_atom(row)]
        kept = [row for row in wanted if not self._suppressed(row)]
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

    def _wanted_atom(self, row: Row) -> bool:
        languages = self._options.languages
        whole = row["CUI"] and row["AUI"] and row["STR"] and row["SAB"]
        return bool(whole) and (not languages or row["LAT"] in languages) and self._wanted(row)

    def _wanted(self, row: Row) -> bool:
        """Tell whether the filters on source and licence let a row pass."""
        sources, licences = self._options.sources, self._options.licences
        licence = self._licences.get(row["SAB"], "")
        in_licence = not licences or (licence.isdigit() and int(licence) in licences)
        return (not sources or row["SAB"] in sources) and in_licence

    def _suppressed(self, row: Row) -> bool:
        return row["SUPPRESS"] not in ("", "N") and not self._options.suppressible

    def _add_facts(
        self, evidence: Mapping[str, Evidence], rows: Iterable[Row], loaded: Collection[str]
    ) -> None:
        found: dict[tuple[str, str, str, bool], list[tuple[str, str]]] = defaultdict(list)
        for row in rows:
            ends = {row["CUI1"], row["CUI2"]}
            if len(ends) == 2 and ends <= set(loaded) and self._wanted_relation(row):
                source, target, relation, rel = self._turned(row)
                key = source, target, relation, bool(row["RELA"])
                found[key].append((rel, row["SAB"]))
        for (source, target, relation, is_rela), statements in found.items():
            rel = min(rel for rel, _ in statements)
            sabs = tuple(sorted({sab for _, sab in statements}))
            if source in evidence:
                evidence[source].facts.add(Fact(True, relation, is_rela, target, rel, sabs))
            if target in evidence:
                evidence[target].facts.add(Fact(False, relation, is_rela, source, rel, sabs))

    def _wanted_relation(self, row: Row) -> bool:
        if not row["REL"] or not row["SAB"] or (row["REL"] == "SIB" and not self._options.siblings):
            return False
        return self._wanted(row) and not self._suppressed(row)

    def _turned(self, row: Row) -> tuple[str, str, str, str]:
        """Return (source, target, relation, REL) of the edge that states ``row``."""
        relation = row["RELA"] or row["REL"]
        inverse = (self._rela_inverse if row["RELA"] else self._rel_inverse).get(relation)
        as_stated = row["CUI2"], row["CUI1"], relation, row["REL"]
        other_rel = self._rel_inverse.get(row["REL"], row["REL"])
        turned = row["CUI1"], row["CUI2"], inverse or relation, other_rel
        if inverse == relation:
            return min(as_stated, turned)
        if inverse and _better(relation, inverse) == inverse:
            return turned
        return as_stated

    def _add_types(self, evidence: Mapping[str, Evidence]) -> None:
        for row in self._rows("MRSTY", ("CUI",), evidence):
            if evidence[row["CUI"]].loaded and row["TUI"] and row["STY"]:
                evidence[row["CUI"]].types.add(row["TUI"])

    def _add_definitions(self, evidence: Mapping[str, Evidence]) -> None:
        best: dict[str, int] = defaultdict(lambda: -1)
        for (sab, _), rank in self._ranks.items():
            best[sab] = max(best[sab], rank)
        languages = self._options.languages
        for row in self._rows("MRDEF", ("CUI",), evidence):
            language = self._languages.get(row["SAB"])
            foreign = language and languages and language not in languages
            whole = row["ATUI"] and row["SAB"] and row["DEF"] and evidence[row["CUI"]].loaded
            if whole and not foreign and self._wanted(row) and not self._suppressed(row):
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
            for row in self._rows("MRCUI", ("CUI1",), asked):
                if row["REL"]:
                    maps[row["CUI1"]].append((row["REL"], row["CUI2"]))
            for row in self._rows("CHANGE/MERGEDCUI", ("PCUI",), asked):
                maps[row["PCUI"]].append(("SY", row["CUI"]))
            for row in self._rows("CHANGE/DELETEDCUI", ("PCUI",), asked):
                maps[row["PCUI"]].append(("DEL", ""))
            asked = {target for cui in asked for _, target in maps[cui]} - maps.keys() - {""}
        return maps


def _currency(row: Row) -> tuple[bool, bool, str]:
    return row["CURVER"] == "Y", row["SABIN"] == "Y", row["VSAB"]


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
