"""NET/: a Semantic Network with the UMLS's types and a few made-up relations between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bali_loaders.releases.rrf import standard_files
from bali_loaders.releases.writing import semantic_types, write_file

RELATIONS = {
    "T186": ("isa", "inverse_isa"),
    "T151": ("affects", "affected_by"),
    "T135": ("location_of", "has_location"),
    "T154": ("treats", "treated_by"),
}
STATED = (
    ("T121", "T154", "T047"),
    ("T033", "T151", "T038"),
    ("T017", "T135", "T047"),
    ("T103", "T151", "T046"),
)
FILES = ("SRDEF", "SRSTR", "SRSTRE1", "SRSTRE2")

Row = tuple[str, ...]


def write_network(release: Path) -> None:
    """Write SRDEF, SRSTR, SRSTRE1, SRSTRE2 and the two files that describe them."""
    write_file(release, "NET/SRDEF", _definitions())
    names = {tui: name for tui, (_, name) in semantic_types().items()}
    names |= {ui: relation for ui, (relation, _) in RELATIONS.items()}
    stated = sorted({*_parents(), *STATED})
    inherited = sorted(_inherited())
    write_file(release, "NET/SRSTR", ((names[s], names[r], names[t], "D") for s, r, t in stated))
    write_file(release, "NET/SRSTRE1", inherited)
    write_file(release, "NET/SRSTRE2", ((names[s], names[r], names[t]) for s, r, t in inherited))
    write_file(release, "NET/SRFLD", sorted(_fields()))
    write_file(release, "NET/SRFIL", _described(release / "NET"))


def _definitions() -> Iterator[Row]:
    for tui, (tree, name) in semantic_types().items():
        meaning = f"Made-up definition of the type {name}."
        yield "STY", tui, name, tree, meaning, "", "NULL", "", name[:4].lower(), ""
    for place, (ui, (name, inverse)) in enumerate(RELATIONS.items()):
        meaning = f"Made-up definition of the relation {name}."
        yield "RL", ui, name, f"R{place}", meaning, "", "", "", name[:2].upper(), inverse


def _tree() -> Mapping[str, str]:
    return {tree: tui for tui, (tree, _) in semantic_types().items()}


def _above(tree: str) -> Iterator[str]:
    """Yield the tree numbers above ``tree``: A1.2.3, A1.2, A1, A."""
    while len(tree) > 1:
        tree = tree.rpartition(".")[0] if "." in tree else tree[0]
        yield tree


def _parents() -> Iterator[Row]:
    tuis = _tree()
    for tree, tui in tuis.items():
        above = next((tuis[up] for up in _above(tree) if up in tuis), None)
        if above:
            yield tui, "T186", above


def _inherited() -> Iterator[Row]:
    tuis = _tree()
    below: dict[str, list[str]] = {tui: [tui] for tui in tuis.values()}
    for tree, tui in tuis.items():
        for up in _above(tree):
            yield tui, "T186", tuis[up]
            below[tuis[up]].append(tui)
    for subject, relation, target in STATED:
        for heir in below[subject]:
            yield from ((heir, relation, other) for other in below[target])


def _fields() -> Iterator[Row]:
    for name in FILES:
        for column in standard_files()[f"NET/{name}"].columns:
            yield column, f"field {column}", "", name


def _described(folder: Path) -> list[Row]:
    rows: list[Row] = []
    for name in (*FILES, "SRFLD"):
        about = standard_files()[f"NET/{name}"]
        text = (folder / name).read_bytes()
        counts = (str(len(about.columns)), str(text.count(b"\n")), str(len(text)))
        rows.append((name, about.description, ",".join(about.columns), *counts))
    return rows
