"""Random small releases, transformed by SQL and by a slow reading of the rules in plain Python."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.loaders.umls.small import (
    Facts,
    Graph,
    Row,
    Tables,
    atom,
    documentation,
    inverse,
    relation,
    run_transform,
    source,
    write_release,
)

from bali_loaders.umls import LoadOptions, Report

CUIS = [f"C000000{n}" for n in range(1, 7)]
SABS = ["S1", "S2", "S3", "UNLISTED"]
RELAS = ["", "isa", "inverse_isa", "has_part", "part_of", "sibling_in", "lonely", "of_x", "x_of"]
RELS = ["CHD", "PAR", "RB", "RN", "RO", "RQ", "SIB"]
INVERSE = {
    **{"isa": "inverse_isa", "inverse_isa": "isa", "has_part": "part_of", "part_of": "has_part"},
    **{"of_x": "x_of", "x_of": "of_x", "sibling_in": "sibling_in"},
    **{"CHD": "PAR", "PAR": "CHD", "RB": "RN", "RN": "RB", "RO": "RO", "RQ": "RQ", "SIB": "SIB"},
}
KEPT = {"inverse_isa": "isa", "part_of": "has_part", "x_of": "of_x", "PAR": "CHD", "RB": "RN"}
LICENCES = {"S1": 0, "S2": 3, "S3": 0}

suppress = st.sampled_from(["N", "N", "N", "O", "Y", "E", ""])
sabs = st.sampled_from(SABS)
cuis = st.sampled_from(CUIS)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="|"), min_size=1)
atoms = st.builds(
    atom,
    cui=cuis,
    aui=st.integers(1, 30).map(lambda n: f"A{n}"),
    name=st.sampled_from(["heart", "Heart", "hart", '"', "\\"]) | names,
    sab=sabs,
    tty=st.sampled_from(["PT", "SY", "XX"]),
    LAT=st.sampled_from(["ENG", "ENG", "SPA"]),
    TS=st.sampled_from("PS"),
    STT=st.sampled_from(["PF", "VO"]),
    ISPREF=st.sampled_from("YN"),
    SUPPRESS=suppress,
)
relations = st.builds(
    relation,
    cui1=st.sampled_from([*CUIS, "C9999999"]),
    rel=st.sampled_from(RELS),
    cui2=cuis,
    rela=st.sampled_from(RELAS),
    sab=sabs,
    SUPPRESS=suppress,
)
rankings = st.permutations([(sab, tty) for sab in SABS[:3] for tty in ("PT", "SY")])
histories = st.builds(
    lambda cui1, rel, cui2: {"CUI1": cui1, "VER": "2020AA", "REL": rel, "CUI2": cui2},
    cui1=st.sampled_from(["C0000001", "C0000011", "C0000012", "C0000013"]),
    rel=st.sampled_from(["SY", "RO", "RB", "RN"]),
    cui2=st.sampled_from([*CUIS[:3], "C0000011", "C0000012", "C9999999"]),
)
choices = st.builds(
    LoadOptions,
    sources=st.sampled_from([(), (), ("S1", "S2")]),
    languages=st.sampled_from([("ENG",), ("ENG", "SPA"), ()]),
    licences=st.sampled_from([(), (), (0,)]),
    suppressible=st.booleans(),
    siblings=st.booleans(),
)


class Oracle:
    """The rules of the graph, one concept and one row at a time."""

    def __init__(self, tables: Tables, options: LoadOptions) -> None:
        self.options = options
        self.ranks = {(row["SAB"], row["TTY"]): int(row["RANK"]) for row in tables["MRRANK"]}
        self.accounts: dict[str, Counter[str]] = {"MRCONSO": Counter(), "MRREL": Counter()}
        self.names: dict[str, list[str]] = {}
        self.suppressed: set[str] = set()
        self.atoms: set[tuple[str, str]] = set()
        self.facts: Facts = {}
        self._read_atoms(tables["MRCONSO"])
        self._read_relations(tables["MRREL"], {row["CUI"] for row in self.unique})

    def refusal(self, row: Row) -> str | None:
        if self.options.sources and row["SAB"] not in self.options.sources:
            return "source"
        if self.options.licences and LICENCES.get(row["SAB"]) not in self.options.licences:
            return "licence"
        if row["SUPPRESS"] in ("O", "Y", "E") and not self.options.suppressible:
            return "suppressed"
        return None

    def _read_atoms(self, rows: list[Row]) -> None:
        ordered = sorted(rows, key=lambda row: (row["CUI"], row["LAT"], *_columns(row)))
        self.unique = list({row["AUI"]: row for row in reversed(ordered)}.values())
        self.accounts["MRCONSO"]["duplicate"] = len(rows) - len(self.unique)
        for cui in CUIS:
            kept, hidden = [], []
            for row in (row for row in self.unique if row["CUI"] == cui):
                foreign = self.options.languages and row["LAT"] not in self.options.languages
                verdict = "language" if foreign else self.refusal(row)
                if verdict == "suppressed":
                    hidden.append(row)
                elif verdict is None:
                    kept.append(row)
                else:
                    self.accounts["MRCONSO"][verdict] += 1
            loaded = kept or hidden
            self.accounts["MRCONSO"]["kept"] += len(loaded)
            self.accounts["MRCONSO"]["suppressed"] += len(hidden) if kept else 0
            if loaded:
                loaded.sort(key=self._place)
                self.names[cui] = list(dict.fromkeys(row["STR"] for row in loaded))
                self.atoms |= {(cui, row["AUI"]) for row in loaded}
                if not kept:
                    self.suppressed.add(cui)

    def _place(self, row: Row) -> tuple[int, str, str, int, str]:
        rank = self.ranks.get((row["SAB"], row["TTY"]), -1)
        return -rank, row["TS"], row["STT"], -ord(row["ISPREF"]), row["AUI"]

    def _read_relations(self, rows: list[Row], known: set[str]) -> None:
        statements: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        for row in rows:
            one, two = row["CUI1"], row["CUI2"]
            if one == two:
                verdict: str | None = "self-loop"
            elif row["REL"] == "SIB" and not self.options.siblings:
                verdict = "sibling"
            elif (verdict := self.refusal(row)) is None:
                if not {one, two} <= known:
                    verdict = "unknown concept"
                elif not {one, two} <= self.names.keys():
                    verdict = "concept not loaded"
            if verdict:
                self.accounts["MRREL"][verdict] += 1
                continue
            name, rel = row["RELA"] or row["REL"], row["REL"]
            turned = name in KEPT or (INVERSE.get(name) == name and two > one)
            start, end = (one, two) if turned else (two, one)
            fact = start, KEPT.get(name, name).upper(), end
            rel = INVERSE[rel] if turned else rel
            statements.setdefault(fact, []).append((rel, row["SAB"]))
            self.accounts["MRREL"]["merged" if len(statements[fact]) > 1 else "kept"] += 1
        for fact, said in statements.items():
            rela = "" if fact[1] in RELS else fact[1].lower()
            self.facts[fact] = min(said)[0], rela, tuple(sorted({sab for _, sab in said}))

    def agrees_with(self, graph: Graph, report: Report) -> None:
        assert {cui: graph.names(cui) for cui in graph.concepts} == self.names
        marked = {cui for cui, row in graph.concepts.items() if row["suppressed"]}
        assert marked == self.suppressed
        assert graph.has_atom == self.atoms
        assert graph.facts == self.facts
        for file, accounts in self.accounts.items():
            assert Counter(report.files.get(file, {})) == accounts


def _columns(row: Row) -> list[str | tuple[bool, str]]:
    order = ["TS", "STT", "ISPREF", "AUI", "SAB", "TTY", "CODE", "STR", "SUPPRESS"]
    return [(not row[column], row[column]) for column in order]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(
    st.lists(atoms, min_size=1, max_size=25),
    st.lists(relations, max_size=40),
    rankings,
    choices,
)
def test_transform_agrees_with_a_slow_reading(
    names: list[Row], statements: list[Row], ranking: list[tuple[str, str]], options: LoadOptions
) -> None:
    tables: Tables = {
        "MRSAB": [source(sab, str(licence)) for sab, licence in LICENCES.items()],
        "MRRANK": [
            {"RANK": f"{rank:04}", "SAB": sab, "TTY": tty, "SUPPRESS": "N"}
            for rank, (sab, tty) in enumerate(ranking)
        ],
        "MRDOC": [*documentation(), inverse("of_x", "x_of")],
        "MRCONSO": names,
        "MRREL": statements,
        "MRSTY": [],
    }
    oracle = Oracle(tables, options)
    with tempfile.TemporaryDirectory() as folder:
        path = write_release(Path(folder), tables)
        if oracle.names:
            oracle.agrees_with(*run_transform(path, Path(folder) / "out", options))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(histories, max_size=12))
def test_histories_lead_to_live_concepts(history: list[Row]) -> None:
    tables: Tables = {
        "MRSAB": [source("S1")],
        "MRRANK": [],
        "MRDOC": [],
        "MRCONSO": [atom(cui, f"A{cui}", cui) for cui in CUIS[:3]],
        "MRREL": [],
        "MRSTY": [],
        "MRCUI": history,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = write_release(Path(folder), tables)
        graph, _ = run_transform(path, Path(folder) / "out")
    maps = [(row["CUI1"], row["CUI2"]) for row in history if row["CUI1"] not in CUIS]
    assert set(graph.retired) == {cui for cui, _ in maps}
    reached = set(maps)
    for _ in history:
        reached |= {(start, end) for start, via in reached for cui, end in maps if via == cui}
    assert graph.replaced_by.keys() == {(start, end) for start, end in reached if end in CUIS[:3]}
