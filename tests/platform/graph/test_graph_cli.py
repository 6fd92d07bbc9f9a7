"""The commands as people type them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import networkx
import pytest

from bali.cli import main
from bali_platform.base.settings import Settings
from bali_platform.subgraphs import read_pyg

pytestmark = pytest.mark.services


class Result(NamedTuple):
    stdout: str
    stderr: str


Bali = Callable[..., Result]


@pytest.fixture
def bali(
    seeded, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bali:
    monkeypatch.setenv("BALI_HOME", str(settings.home))

    def run(*arguments: str, code: int = 0, stdin: str = "") -> Result:
        monkeypatch.setattr("sys.argv", ["bali", *arguments])
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            main()
            exit_code = 0
        except SystemExit as stopped:
            exit_code = stopped.code
        result = Result(*capsys.readouterr())
        assert exit_code == code, result.stderr
        return result

    return run


def test_concept_search_and_show(bali: Bali, seeded) -> None:
    hits = json.loads(bali("concept", "search", "heart att", "--json").stdout)
    assert hits[0]["cui"] == "C0000010"
    concept = json.loads(bali("concept", "show", "c9000001", "--json").stdout)
    assert concept["names"] == list(seeded.names["C0000010"])
    shown = bali("concept", "show", "C9000001").stdout
    assert "Necrosis of the heart muscle." in shown
    assert "C9000001 is retired; this is its successor" in shown


def test_unknown_concept_is_one_line(bali: Bali) -> None:
    result = bali("concept", "show", "C0", code=1)
    assert len(result.stderr.strip().splitlines()) == 1
    assert "no concept 'C0' in this graph" in result.stderr


def test_neighbours_path_and_tree(bali: Bali, seeded) -> None:
    rows = json.loads(
        bali("concept", "neighbours", "C0000010", "--direction", "in", "--json").stdout
    )
    assert {(row["cui"], row["type"]) for row in rows} == {
        (fact.source, fact.type) for fact in seeded.facts if fact.target == "C0000010"
    }
    path = bali("concept", "path", "C0000050", "C0000060").stdout
    assert path.startswith(seeded.names["C0000050"][0])
    assert path.strip().endswith("(C0000060)")
    assert "no path" in bali("concept", "path", "C0000050", "C0000400").stdout
    tree = json.loads(bali("concept", "tree", "C0000050", "--depth", "2", "--json").stdout)
    shown = bali("concept", "tree", "C0000050", "--depth", "2").stdout
    assert all(node["id"] in shown for node in tree["nodes"])


def test_subgraph_formats(bali: Bali, tmp_path: Path) -> None:
    ask = ("subgraph", "C0000001", "C0000050", "gone", "--hops", "2", "--fanout", "8,3")
    result = bali(*ask)
    expected = networkx.node_link_graph(json.loads(result.stdout), edges="edges")
    assert "not in the graph: gone" in result.stderr
    forms = ("json", "graphml", "csv", "pyg", "svg", "png")
    files = {form: tmp_path / f"graph.{form}" for form in forms}
    for form, file in files.items():
        bali(*ask, "--format", form, "--output", str(file))
    assert json.loads(files["json"].read_text()) == json.loads(result.stdout)
    assert set(networkx.read_graphml(files["graphml"])) == set(expected)
    edges = list(csv.DictReader(io.StringIO(files["csv"].read_text())))
    assert len(edges) == expected.number_of_edges()
    nodes = list(csv.DictReader(io.StringIO((tmp_path / "graph.nodes.csv").read_text())))
    assert [row["cui"] for row in nodes] == list(expected)
    assert read_pyg(files["pyg"]).cui == list(expected)
    assert files["svg"].read_text().startswith("<svg")
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "graph.csv", "graph.graphml", "graph.json", "graph.nodes.csv", "graph.png", "graph.pyg",
        "graph.svg",
    ]  # fmt: skip


def test_subgraph_mistakes(bali: Bali, tmp_path: Path) -> None:
    assert "needs --output" in bali("subgraph", "C0000001", "-f", "pyg", code=2).stderr
    assert "numbers such as" in bali("subgraph", "C0000001", "--fanout", "x", code=2).stderr
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "graph.json"
    refused = bali("subgraph", "C0000001", "-o", str(below), code=1).stderr
    assert "cannot write" in refused


def test_induced_subgraph(bali: Bali, seeded) -> None:
    cuis = ["C0000001", "C0000002", "C0000003", "C0000004"]
    found = json.loads(bali("subgraph", "--induced", *cuis).stdout)
    assert len(found["edges"]) == sum({f.source, f.target} <= set(cuis) for f in seeded.facts)


def test_cypher(bali: Bali) -> None:
    text = "MATCH (c:Concept {cui: $cui}) RETURN c.cui AS cui, $n + 1 AS n"
    parameters = ("--param", "cui=C0000010", "--param", "n:=41")
    rows = json.loads(bali("cypher", text, *parameters, "--json").stdout)
    assert rows == [{"cui": "C0000010", "n": 42}]
    assert bali("cypher", "-", *parameters, "--csv", stdin=text).stdout == "cui,n\nC0000010,42\n"
    cut = bali("cypher", "UNWIND [1, 2, 3] AS x RETURN x", "--limit", "2")
    assert "only the first 2 rows" in cut.stderr
    assert "without --write" in bali("cypher", "CREATE (:X)", code=2).stderr
    assert "NAME=TEXT" in bali("cypher", "RETURN 1", "--param", "x", code=2).stderr
    assert "not JSON" in bali("cypher", "RETURN 1", "--param", "x:=y", code=2).stderr


def test_query(bali: Bali) -> None:
    names = [item["name"] for item in json.loads(bali("query", "--json").stdout)]
    assert "crosswalk" in names
    rows = json.loads(bali("query", "retired", "--param", "cui=C9000001", "--json").stdout)
    assert rows[0]["successor"] == "C0000010"
    assert "needs --param cui=VALUE" in bali("query", "names", code=2).stderr


@pytest.mark.usefixtures("redis_client")
def test_cache(bali: Bali) -> None:
    warmed = json.loads(bali("cache", "warm", "C0000050", "C0000051", "--json").stdout)
    assert warmed["entries"] > 2
    everything = json.loads(bali("cache", "warm", "--json").stdout)
    assert everything["entries"] >= 400
    assert json.loads(bali("cache", "stats", "--json").stdout)["entries"] == everything["entries"]
    assert f"dropped {everything['entries']} entries" in bali("cache", "clear").stdout
    assert json.loads(bali("cache", "stats", "--json").stdout)["entries"] == 0
