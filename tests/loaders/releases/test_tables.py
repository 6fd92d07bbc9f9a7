"""Two tables as a release: what it says, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loaders.umls.small import run_transform

from bali_loaders.releases import Release, tables
from bali_platform.base.errors import BaliError

NODES = """\ufeffID,Name,Synonyms,Type,Definition,colour
d1,"Pie, lemon",tarte | tarte|Pie,Dish,"Sour,
and sweet.",yellow
i2,lemon,,Ingredient,,yellow
x|3,,,,,
"""
EDGES = "source,type,target\nd1,made with,i2\nd1,made with,i2\n"


def write(folder: Path, nodes: str, edges: str = EDGES, ending: str = "csv") -> Path:
    (folder / f"nodes.{ending}").write_text(nodes, encoding="utf-8")
    (folder / f"edges.{ending}").write_text(edges, encoding="utf-8")
    out = folder / "release"
    tables.write(folder / f"nodes.{ending}", folder / f"edges.{ending}", out, source="COOK")
    return out


def rows(folder: Path, name: str, *columns: str) -> list[tuple[str, ...]]:
    with Release.open(folder) as release:
        return [tuple(row[column] for column in columns) for row in release.rows(name)]


def test_what_the_tables_say_is_in_the_release(tmp_path: Path) -> None:
    out = write(tmp_path, NODES.replace("x|3,,,,,\n", ""))
    assert rows(out, "MRCONSO", "CUI", "STR", "TTY", "TS", "SAB", "CODE") == [
        ("d1", "Pie, lemon", "PT", "P", "COOK", "d1"),
        ("d1", "tarte", "SY", "S", "COOK", "d1"),
        ("d1", "Pie", "SY", "S", "COOK", "d1"),
        ("i2", "lemon", "PT", "P", "COOK", "i2"),
    ]
    assert rows(out, "MRSTY", "CUI", "STY") == [("d1", "Dish"), ("i2", "Ingredient")]
    assert rows(out, "MRDEF", "CUI", "DEF") == [("d1", "Sour, and sweet.")]
    assert rows(out, "MRREL", "CUI2", "RELA", "CUI1") == [("d1", "made with", "i2")] * 2
    assert rows(out, "MRSAB", "RSAB", "TFR", "CFR") == [("COOK", "4", "2")]
    with Release.open(out) as release:
        assert release.version.startswith("COOK-")


@pytest.mark.parametrize("name", ["a, b", '"a" b', '5" nail', '"a', 'the "b"'])
def test_tabs_do_as_well_and_quotes_may_be_bare_there(tmp_path: Path, name: str) -> None:
    nodes = f"id\tname\nd1\t{name}\ni2\tc\n"
    out = write(tmp_path, nodes, EDGES.replace(",", "\t"), "tsv")
    assert rows(out, "MRCONSO", "CUI", "STR") == [("d1", name), ("i2", "c")]


def test_tabs_may_be_quoted(tmp_path: Path) -> None:
    nodes = 'id\tname\nd1\t"a\tb ""c"""\ni2\tc\n'
    out = write(tmp_path, nodes, EDGES.replace(",", "\t"), "tsv")
    assert rows(out, "MRCONSO", "CUI", "STR") == [("d1", 'a b "c"'), ("i2", "c")]


def test_a_cell_may_hold_a_book(tmp_path: Path) -> None:
    book = "It rained. " * 20_000
    out = write(tmp_path, f'id,name,definition\nd1,a,"{book}"\ni2,b,\n')
    assert rows(out, "MRDEF", "CUI", "DEF") == [("d1", book.strip())]


@pytest.mark.parametrize(
    ("nodes", "edges", "line"),
    [
        (NODES, EDGES, r"nodes.csv, line 5: a node needs both id and name"),
        ("id,name\na|b,c\n", EDGES, r"nodes.csv, line 2: id 'a\|b' holds a '\|'"),
        ("id,name\nd1,a\nd1,b\n", EDGES, r"nodes.csv, line 3: id 'd1' is there already"),
        ("id,title\nd1,a\n", EDGES, r"nodes.csv: no column 'name'"),
        ("id,nmae\nd1,a\n", EDGES, r"no column 'name' \(did you mean 'nmae'\?\)"),
        ("id,name\nd1\n", EDGES, r"nodes.csv, line 2: 1 cells, the header has 2"),
        ("id,name\n", EDGES, r"nodes.csv has no nodes"),
        ("", EDGES, r"nodes.csv: no column 'id'"),
        ('id,name\nd1,"a\n', EDGES, r"nodes.csv is not a table"),
        ("id,name\nd1,a\n", EDGES, r"edges.csv, line 2: target 'i2' is no id in nodes.csv"),
        ("id,name\nd1,a\ni2,b\n", "source,target,type\nd1,i2,\n", r"line 2: an edge needs a type"),
    ],
)
def test_a_bad_table_is_one_line_and_leaves_nothing(
    tmp_path: Path, nodes: str, edges: str, line: str
) -> None:
    with pytest.raises(BaliError, match=line) as caught:
        write(tmp_path, nodes, edges)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"nodes.csv", "edges.csv"}


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_bytes(b"id,name\nd1,\xff\n")
    for nodes, line in ((tmp_path / "nodes.csv", "not UTF-8"), (tmp_path / "no.csv", "cannot be")):
        with pytest.raises(BaliError, match=line):
            tables.write(nodes, nodes, tmp_path / "out", source="X")


def test_the_release_becomes_the_graph_of_the_tables(tmp_path: Path) -> None:
    out = write(tmp_path, NODES.replace("x|3,,,,,\n", ""))
    graph, report = run_transform(out, tmp_path / "import")
    assert graph.names("d1") == ["Pie, lemon", "tarte", "Pie"]
    assert graph.concepts["d1"]["definition"] == "Sour, and sweet."
    assert graph.concepts["d1"]["semantic_types"] == "Dish"
    assert graph.concepts["d1"]["sources"] == "COOK"
    assert report.relation_types == ["MADE_WITH"]
    assert set(graph.facts) == {("d1", "MADE_WITH", "i2")}
    assert report.files["MRREL"] == {"kept": 1, "merged": 1}
