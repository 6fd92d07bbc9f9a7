"""What two editions of a release differ in, by a slow reading of their RRF lines."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

Row = dict[str, str]
Fact = tuple[str, str, str]


class Edition:
    """A release under the default filters: English, nothing suppressed, no siblings."""

    def __init__(self, path: Path) -> None:
        self._meta = path / "META"
        self._columns = {
            fields[0].removesuffix(".RRF"): fields[2].split(",")
            for fields in self._lines("MRFILES")
        }
        self.known = {row["CUI"] for row in self._rows("MRCONSO")}
        self._read_names()
        self.types: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._rows("MRSTY"):
            self.types[row["CUI"]].add(row["TUI"])
        self.facts: defaultdict[Fact, set[str]] = defaultdict(set)
        self._read_facts()
        self.retired: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        self._read_history()

    def _lines(self, file: str) -> Iterator[list[str]]:
        text = (self._meta / f"{file}.RRF").read_text(encoding="utf-8")
        yield from (line.split("|")[:-1] for line in text.split("\n") if line)

    def _rows(self, file: str) -> Iterator[Row]:
        for fields in self._lines(file):
            yield dict(zip(self._columns[file], fields, strict=True))

    def _read_names(self) -> None:
        ranks = {(row["SAB"], row["TTY"]): int(row["RANK"]) for row in self._rows("MRRANK")}
        english = [row for row in self._rows("MRCONSO") if row["LAT"] == "ENG"]
        plain = {row["CUI"] for row in english if row["SUPPRESS"] in ("", "N")}
        atoms = [r for r in english if r["SUPPRESS"] in ("", "N") or r["CUI"] not in plain]
        self.names = {(row["CUI"], row["STR"], row["SAB"]) for row in atoms}
        self.preferred: dict[str, str] = {}

        def standing(row: Row) -> tuple[int, bool, bool, bool, str]:
            flags = row["TS"] != "P", row["STT"] != "PF", row["ISPREF"] != "Y"
            return -ranks.get((row["SAB"], row["TTY"]), -1), *flags, row["AUI"]

        for row in sorted(atoms, key=standing):
            self.preferred.setdefault(row["CUI"], row["STR"])

    def _read_facts(self) -> None:
        inverses = {
            kind: {r["VALUE"]: r["EXPL"] for r in self._rows("MRDOC") if r["TYPE"] == kind}
            for kind in ("rel_inverse", "rela_inverse")
        }
        for row in self._rows("MRREL"):
            one, two = row["CUI1"], row["CUI2"]
            kept = row["REL"] != "SIB" and row["SUPPRESS"] in ("", "N") and one != two
            if kept and {one, two} <= self.preferred.keys():
                stated = row["RELA"] or f"*{row['REL']}"
                if row["RELA"]:
                    inverse = inverses["rela_inverse"].get(stated, stated)
                else:
                    inverse = f"*{inverses['rel_inverse'].get(row['REL'], row['REL'])}"
                name = min(stated, inverse, key=_order)
                turned = two > one if inverse == stated else name != stated
                self.facts[(one, name, two) if turned else (two, name, one)].add(row["SAB"])

    def _read_history(self) -> None:
        for row in self._rows("MRCUI"):
            self.retired[row["CUI1"]] |= {(row["REL"], row["CUI2"])} if row["CUI2"] else set()
        for row in self._rows("CHANGE/MERGEDCUI"):
            self.retired[row["PCUI"]].add(("SY", row["CUI"]))


def _order(name: str) -> tuple[bool, bool, bool, str]:
    return name in ("*PAR", "*RB"), name.startswith("inverse_"), name.endswith("_of"), name


def fate(cui: str, new: Edition) -> str:
    """What became of a concept that ``new`` does not load."""
    if cui in new.known:
        return "left out"
    if cui not in new.retired:
        return "unexplained"
    loaded = {rel for rel, target in new.retired[cui] if target in new.preferred}
    return "merged" if "SY" in loaded else "mapped" if loaded else "deleted"


def concepts(old: Edition, new: Edition) -> Counter[str]:
    both = old.preferred.keys() & new.preferred.keys()
    counts = Counter(fate(cui, new) for cui in old.preferred.keys() - both)
    counts["before"], counts["after"] = len(old.preferred), len(new.preferred)
    counts["added"] = len(new.preferred.keys() - both)
    counts["renamed"] = sum(old.preferred[cui] != new.preferred[cui] for cui in both)
    counts["retyped"] = sum(old.types[cui] != new.types[cui] for cui in both)
    return +counts


def names(old: Edition, new: Edition) -> dict[str, int]:
    before, after = ({(cui, name) for cui, name, _ in side.names} for side in (old, new))
    gained, lost = after - before, before - after
    return {
        "before": len(before),
        "after": len(after),
        "gained": len(gained),
        "lost": len(lost),
        "gained_with_concepts": sum(cui not in old.preferred for cui, _ in gained),
        "lost_with_concepts": sum(cui not in new.preferred for cui, _ in lost),
    }


def facts(old: Edition, new: Edition) -> dict[str, int]:
    gained, lost = new.facts.keys() - old.facts.keys(), old.facts.keys() - new.facts.keys()
    return {
        "before": len(old.facts),
        "after": len(new.facts),
        "gained": len(gained),
        "lost": len(lost),
        "gained_with_concepts": sum(_with_other(fact, old.preferred) for fact in gained),
        "lost_with_concepts": sum(_with_other(fact, new.preferred) for fact in lost),
    }


def _with_other(fact: Fact, known: Collection[str]) -> bool:
    return fact[0] not in known or fact[2] not in known


def sources(old: Edition, new: Edition) -> dict[str, dict[str, int]]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    stated = [
        {(fact, sab) for fact, sabs in side.facts.items() for sab in sabs} for side in (old, new)
    ]
    for kind, (before, after) in (("names", (old.names, new.names)), ("facts", stated)):
        for verdict, changed in (("gained", after - before), ("lost", before - after)):
            for *_, sab in changed:
                counts[sab][f"{kind}_{verdict}"] += 1
    kinds = ("names_gained", "names_lost", "facts_gained", "facts_lost")
    return {sab: {kind: counts[sab][kind] for kind in kinds} for sab in sorted(counts)}
