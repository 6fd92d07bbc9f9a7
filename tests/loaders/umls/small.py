"""Small releases written row by row, and import files read back as plain data."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bali_loaders.releases import Release
from bali_loaders.releases.catalogue import write_catalogue
from bali_loaders.releases.rrf import standard_files, write_rows
from bali_loaders.umls import LoadOptions, Report
from bali_loaders.umls.transform import transform

Row = dict[str, str]
Tables = dict[str, list[Row]]
Facts = dict[tuple[str, str, str], tuple[str, str, tuple[str, ...]]]


def atom(cui: str, aui: str, name: str, sab: str = "S1", tty: str = "PT", **more: str) -> Row:
    flags = {"LAT": "ENG", "TS": "P", "STT": "PF", "ISPREF": "Y", "SUPPRESS": "N", "CODE": aui}
    return {"CUI": cui, "AUI": aui, "STR": name, "SAB": sab, "TTY": tty} | flags | more


def relation(cui1: str, rel: str, cui2: str, rela: str = "", sab: str = "S1", **more: str) -> Row:
    row = {"CUI1": cui1, "REL": rel, "CUI2": cui2, "RELA": rela, "SAB": sab, "SUPPRESS": "N"}
    return row | more


def source(sab: str, licence: str = "0", language: str = "ENG", **more: str) -> Row:
    row = {"RSAB": sab, "VSAB": f"{sab}_1", "SON": f"Source {sab}", "SRL": licence}
    return row | {"LAT": language, "CURVER": "Y", "SABIN": "Y", "SVER": "1"} | more


def inverse(name: str, other: str, kind: str = "rela_inverse") -> Row:
    return {"DOCKEY": kind[:4].strip("_").upper(), "VALUE": name, "TYPE": kind, "EXPL": other}


def documentation() -> list[Row]:
    rels = [("CHD", "PAR"), ("RB", "RN"), ("RO", "RO"), ("RQ", "RQ"), ("SIB", "SIB"), ("SY", "SY")]
    relas = [("isa", "inverse_isa"), ("part_of", "has_part"), ("sibling_in", "sibling_in")]
    return [
        inverse(*pair, kind)
        for kind, pairs in (("rel_inverse", rels), ("rela_inverse", relas))
        for name, other in pairs
        for pair in {(name, other), (other, name)}
    ]


def ranks(*kinds: str) -> list[Row]:
    """MRRANK for ``SAB/TTY`` kinds, best first."""
    pairs = [kind.split("/") for kind in kinds]
    return [
        {"RANK": f"{len(kinds) - place:04}", "SAB": sab, "TTY": tty, "SUPPRESS": "N"}
        for place, (sab, tty) in enumerate(pairs)
    ]


def small_release() -> Tables:
    """Two sources, four concepts, both directions of everything, one retired concept."""
    return {
        "MRSAB": [source("S1"), source("S2", licence="3"), source("S3", language="SPA")],
        "MRRANK": ranks("S2/PT", "S1/PT", "S2/SY", "S1/SY"),
        "MRDOC": documentation(),
        "MRCONSO": [
            atom("C0000001", "A1", "Myocardial infarction"),
            atom("C0000001", "A2", "Heart attack", tty="SY"),
            atom("C0000001", "A3", 'Attack, "heart"; \\ or, so', "S2"),
            atom("C0000001", "A4", "Infarto", "S3", LAT="SPA"),
            atom("C0000002", "A5", "Heart disease"),
            atom("C0000003", "A6", "Old name", SUPPRESS="O"),
            atom("C0000003", "A7", "Older name", tty="SY", SUPPRESS="Y"),
            atom("C0000004", "A8", "Corazón", "S3", LAT="SPA"),
            atom("C0000005", "A9", "Heart", SUPPRESS="N"),
            atom("C0000005", "A10", "Hart", tty="SY", SUPPRESS="O"),
        ],
        "MRSTY": [
            {"CUI": cui, "TUI": tui, "STY": sty, "STN": stn}
            for cui, tui, sty, stn in (
                ("C0000001", "T047", "Disease or Syndrome", "B2.2.1.2.1"),
                ("C0000002", "T047", "Disease or Syndrome", "B2.2.1.2.1"),
                ("C0000002", "T046", "Pathologic Function", "B2.2.1.2"),
                ("C0000005", "T023", "Body Part, Organ, or Organ Component", "A1.2.3.1"),
                ("C0000004", "T023", "Body Part, Organ, or Organ Component", "A1.2.3.1"),
                ("C9999999", "T023", "Body Part, Organ, or Organ Component", "A1.2.3.1"),
            )
        ],
        "MRDEF": [
            {"CUI": "C0000001", "ATUI": "AT1", "SAB": "S1", "DEF": "Death of muscle."},
            {"CUI": "C0000001", "ATUI": "AT2", "SAB": "S2", "DEF": "Muscle death, by S2."},
            {"CUI": "C0000002", "ATUI": "AT3", "SAB": "S1", "DEF": "Old.", "SUPPRESS": "O"},
            {"CUI": "C0000002", "ATUI": "AT4", "SAB": "S3", "DEF": "Enfermedad."},
        ],
        "MRREL": [
            relation("C0000002", "CHD", "C0000001", "isa"),
            relation("C0000001", "PAR", "C0000002", "inverse_isa"),
            relation("C0000002", "RN", "C0000001", "isa", "S2"),
            relation("C0000002", "CHD", "C0000001"),
            relation("C0000001", "RO", "C0000005", "has_part"),
            relation("C0000005", "RQ", "C0000002"),
            relation("C0000002", "RQ", "C0000005"),
            relation("C0000001", "SIB", "C0000005"),
            relation("C0000001", "RO", "C0000001", "part_of"),
            relation("C0000001", "RO", "C0000004", "part_of"),
            relation("C0000001", "RO", "C7777777", "part_of"),
            relation("C0000001", "RO", "C0000003", "odd (name) é", SUPPRESS="N"),
            relation("C0000001", "RO", "C0000002", "part_of", SUPPRESS="O"),
        ],
        "MRCUI": [
            {"CUI1": "C0000090", "VER": "2020AA", "REL": "SY", "CUI2": "C0000091", "MAPIN": "Y"},
            {"CUI1": "C0000091", "VER": "2021AA", "REL": "RB", "CUI2": "C0000001", "MAPIN": "Y"},
            {"CUI1": "C0000092", "VER": "2021AA", "REL": "DEL"},
            {"CUI1": "C0000002", "VER": "2021AA", "REL": "DEL"},
        ],
        "CHANGE/DELETEDCUI": [{"PCUI": "C0000092", "PSTR": "Gone"}],
        "CHANGE/MERGEDCUI": [{"PCUI": "C0000093", "CUI": "C0000005"}],
    }


def next_small_release() -> Tables:
    """As the small release, with a change of every kind."""
    tables = small_release()
    atoms = tables["MRCONSO"]
    tables["MRCONSO"] = [
        *(row for row in atoms if row["AUI"] not in ("A3", "A9", "A10")),
        atom("C0000006", "A11", "Angina"),
        atom("C0000004", "A12", "Heart", "S2"),
    ]
    tables["MRSTY"] = [row for row in tables["MRSTY"] if row["TUI"] != "T046"]
    tables["MRREL"] += [
        relation("C0000002", "CHD", "C0000006", "isa"),
        relation("C0000001", "PAR", "C0000002", "inverse_isa", "S3"),
    ]
    tables["MRCUI"] += [
        {"CUI1": "C0000005", "VER": "2030AB", "REL": "SY", "CUI2": "C0000004", "MAPIN": "Y"}
    ]
    return tables


def write_release(folder: Path, tables: Tables, version: str = "2031AA") -> Path:
    meta = folder / version / "META"
    for name, rows in tables.items():
        columns = standard_files()[name].columns
        lines = [[row.get(column, "") for column in columns] for row in rows]
        place = meta.parent / name if name.startswith("NET/") else meta / f"{name}.RRF"
        write_rows(place, lines, len(columns))
    write_catalogue(meta)
    return meta.parent


@dataclass
class Graph:
    """Import files as a graph of natural keys."""

    concepts: dict[str, Row] = field(default_factory=dict)
    labels: dict[str, set[str]] = field(default_factory=dict)
    atoms: dict[str, Row] = field(default_factory=dict)
    definitions: dict[str, Row] = field(default_factory=dict)
    semantic_types: dict[str, Row] = field(default_factory=dict)
    sources: dict[str, Row] = field(default_factory=dict)
    retired: dict[str, Row] = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)
    has_atom: set[tuple[str, str]] = field(default_factory=set)
    has_type: set[tuple[str, str]] = field(default_factory=set)
    defined_by: set[tuple[str, str]] = field(default_factory=set)
    network: set[tuple[str, str, str]] = field(default_factory=set)
    replaced_by: dict[tuple[str, str], str] = field(default_factory=dict)
    attributes: set[tuple[str, str, str]] = field(default_factory=set)
    below: dict[tuple[str, str, str], str] = field(default_factory=dict)
    mapped: set[tuple[str, str, str]] = field(default_factory=set)
    rules: list[Row] = field(default_factory=list)

    def names(self, cui: str) -> list[str]:
        return self.concepts[cui]["names"].split("\x1f")


def _rows(folder: Path, name: str) -> Iterator[Row]:
    header = (folder / f"{name}-header.csv").read_text().strip().split(",")
    for part in sorted(folder.glob(f"{name}-[0-9]*.csv")):
        with part.open(newline="", encoding="utf-8") as stream:
            yield from (dict(zip(header, row, strict=True)) for row in csv.reader(stream))


def _nodes(folder: Path, name: str, key: str) -> tuple[dict[str, Row], dict[str, str]]:
    """Return the nodes by key, and the keys by the number that stands for them in the files."""
    rows, keys = {}, {}
    for row in _rows(folder, name):
        number = row.pop(next(column for column in row if column.startswith(":ID(")))
        plain = {column.partition(":")[0] or column: value for column, value in row.items()}
        assert plain[key] not in rows, "keys are unique"
        rows[plain[key]], keys[number] = plain, plain[key]
    return rows, keys


def read_graph(folder: Path) -> Graph:
    graph = Graph()
    graph.concepts, cuis = _nodes(folder, "concepts", "cui")
    graph.atoms, auis = _nodes(folder, "atoms", "aui")
    graph.definitions, atuis = _nodes(folder, "definitions", "atui")
    graph.semantic_types, tuis = _nodes(folder, "semantic_types", "tui")
    graph.sources, _ = _nodes(folder, "sources", "sab")
    graph.retired, retired = _nodes(folder, "retired", "cui")
    for cui, row in graph.concepts.items():
        graph.labels[cui] = set(row[":LABEL"].split("\x1f")) if ":LABEL" in row else set()

    def pairs(name: str, starts: dict[str, str], ends: dict[str, str]) -> list[tuple[str, str]]:
        found = [tuple(row.values()) for row in _rows(folder, name)]
        return [(starts[row[0]], ends[row[1]]) for row in found]

    graph.has_atom = set(pairs("has_atom", cuis, auis))
    graph.has_type = set(pairs("has_semantic_type", cuis, tuis))
    graph.defined_by = set(pairs("defined_by", cuis, atuis))
    for start, end, type_, rel, rela, sabs in map(dict.values, _rows(folder, "facts")):
        key = cuis[start], type_, cuis[end]
        assert key not in graph.facts, "one edge a fact"
        graph.facts[key] = rel, rela, tuple(sabs.split("\x1f"))
    for start, end, type_ in map(dict.values, _rows(folder, "network")):
        graph.network.add((tuis[start], type_, tuis[end]))
    for start, end, rel, _ in map(dict.values, _rows(folder, "replaced_by")):
        graph.replaced_by[retired[start], cuis[end]] = rel
    attributes, named = _nodes(folder, "attributes", "atui")
    hung = pairs("atom_attributes", auis, named) + pairs("concept_attributes", cuis, named)
    graph.attributes = {(o, attributes[a]["name"], attributes[a]["value"]) for o, a in hung}
    for start, end, sab, _, codes in map(dict.values, _rows(folder, "hierarchies")):
        graph.below[auis[start], auis[end], sab] = codes
    mappings = {row[":ID(Mapping)"]: row for row in _rows(folder, "mappings")}
    graph.rules = list(mappings.values())
    for start, end in map(dict.values, _rows(folder, "has_mapping")):
        graph.mapped.add((cuis[start], mappings[end]["from"], mappings[end]["to"]))
    return graph


def run_transform(
    path: Path, folder: Path, options: LoadOptions | None = None
) -> tuple[Graph, Report]:
    with Release.open(path) as release:
        chosen = options or LoadOptions()
        report = transform(release, chosen, folder, graph_version="0123456789abcdef")
    return read_graph(folder), report
