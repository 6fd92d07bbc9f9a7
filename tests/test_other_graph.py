"""Nothing is tied to the UMLS: a cookbook from two tables to a model, as docs/models.md says."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sentence_transformers import SentenceTransformer

from bali.cli import main
from bali_platform import services
from bali_platform.base.progress import Quiet
from bali_platform.base.settings import Settings
from bali_platform.graph.client import Graph
from bali_platform.graph.vectors import Vectors
from bali_trainers.inference.vectors import ConceptEncoder, embed_graph, write_parquet

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

KINDS = ("soup", "stew", "salad", "pie")
FLAVOURS = ("spicy", "creamy", "smoky", "herbal", "garlic", "lemon")
INGREDIENTS = ("tomato", "basil", "potato", "leek", "carrot", "chickpea", "spinach", "walnut")
DISHES = [f"{flavour} {kind}" for kind, flavour in product(KINDS, FLAVOURS)]
CONFIG = """
name = "{name}"

[model]
base = "{base}"

[data]
corpus = "dishes"
source = "inline"
batch_size = 4
max_length = 32
name_length = 8

[graph_encoder]
layers = 2

[run]
max_steps = 2
log_every = 1
device = "cpu"
threads = 1
"""

Bali = Callable[..., str]


def table(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def made_with(number: int) -> list[str]:
    return [INGREDIENTS[(number + step) % len(INGREDIENTS)] for step in (0, 1, 3)]


@pytest.fixture(scope="module")
def kitchen(module_settings: Settings) -> Iterator[Settings]:
    """A home whose live graph is a cookbook, with a corpus of it."""
    own = module_settings
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BALI_HOME", str(own.home))
        patch.setenv("BALI_NEO4J_MEMORY_MB", str(own.neo4j_memory_mb))
        nodes = [(f"i{n}", name, "", "Ingredient", "") for n, name in enumerate(INGREDIENTS)]
        nodes += [(f"k{n}", name, f"bowl of {name}", "Kind", "") for n, name in enumerate(KINDS)]
        edges = []
        for n, dish in enumerate(DISHES):
            one, two, three = made_with(n)
            about = f"A {dish.split()[1]} made with {one}, {two} and {three}."
            nodes.append((f"d{n}", dish, f"{dish} of the house", "Dish", about))
            edges += [(f"d{n}", f"i{INGREDIENTS.index(part)}", "made with") for part in (one, two)]
            edges.append((f"d{n}", f"k{KINDS.index(dish.split()[1])}", "is a"))
        header = ("id", "name", "synonyms", "type", "definition")
        table(own.home / "nodes.csv", header, nodes)
        table(own.home / "edges.csv", ("source", "target", "type"), edges)
        release = str(own.home / "release")
        run("release", "tables", str(own.home / "nodes.csv"), str(own.home / "edges.csv"),
            release, "--source", "COOK")  # fmt: skip
        run("load", release)
        services.up(own)
        run("corpus", "definitions", str(own.home / "corpora" / "dishes"))
        yield own


def run(*arguments: str, code: int = 0) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["bali", *arguments])
        try:
            main()
        except SystemExit as stopped:
            assert stopped.code == code
        else:
            assert code == 0


@pytest.fixture
def bali(kitchen: Settings, capsys: pytest.CaptureFixture[str]) -> Bali:
    def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        run(*arguments, code=code)
        stdout, stderr = capsys.readouterr()
        return " ".join((stderr if code else stdout).split())

    return call


@pytest.fixture(scope="module")
def model(kitchen: Settings) -> Iterator[Path]:
    """A model trained on the cookbook for two steps, exported."""
    (kitchen.home / "cook.toml").write_text(CONFIG.format(name="cook", base="minilm"))
    run("train", str(kitchen.home / "cook.toml"), "--local")
    run("export", "cook-", str(kitchen.home / "model"))
    shutil.rmtree(kitchen.home / "jobs")
    yield kitchen.home / "model"
    torch.use_deterministic_algorithms(False)


def test_tables_become_concepts_and_facts(kitchen: Settings, bali: Bali) -> None:
    with Graph.connect(kitchen) as graph:
        assert set(graph.relation_types) == {"MADE_WITH", "IS_A"}
        soup = graph.concept("d0")
        assert soup.names == ("spicy soup", "spicy soup of the house")
        assert soup.semantic_types == ("Dish",)
        assert soup.definition == "A soup made with tomato, basil and leek."
        found = {(edge.type, edge.outgoing, edge.name) for edge in graph.neighbours("d0")}
        assert found == {
            ("MADE_WITH", True, "tomato"),
            ("MADE_WITH", True, "basil"),
            ("IS_A", True, "soup"),
        }
        assert sum(1 for _ in graph.names()) == len(INGREDIENTS) + len(KINDS) + len(DISHES)
    assert "the graph is what the release says" in bali("verify", str(kitchen.home / "release"))
    assert "spicy soup of the house" in bali("concept", "show", "d0")


def test_concept_vectors_are_what_others_read_from_the_model(
    kitchen: Settings, model: Path, bali: Bali
) -> None:
    bali("embed", str(model), "--parquet", str(kitchen.home / "vectors.parquet"))
    rows = pq.read_table(kitchen.home / "vectors.parquet").to_pylist()
    with Graph.connect(kitchen) as graph:
        stored = Vectors(graph).read([row["cui"] for row in rows])
    names = [row["name"] for row in rows]
    assert sorted(names) == sorted((*INGREDIENTS, *KINDS, *DISHES))
    wanted = SentenceTransformer(str(model), device="cpu").encode(names, normalize_embeddings=True)
    np.testing.assert_allclose(stored, wanted, atol=1e-5)
    np.testing.assert_array_equal([row["embedding"] for row in rows], np.float32(stored))


def test_similar_and_linked_concepts(model: Path, bali: Bali) -> None:
    bali("embed", str(model))
    near = json.loads(bali("concept", "similar", "d0", "--limit", "3", "--json"))
    assert len(near) == 3
    assert "spicy" in near[0]["name"] or "soup" in near[0]["name"]
    assert json.loads(bali("concept", "similar", "tomatoes", "-n", "1", "--json"))[0]["cui"] == "i0"
    linked = json.loads(bali("link", "Is spicy soup made of tomato?", "--json"))
    assert [(m["text"], m["candidates"][0]["cui"]) for m in linked] == [
        ("spicy soup", "d0"),
        ("tomato", "i0"),
    ]
    assert linked[0]["candidates"][0]["named"]
    assert not linked[0]["candidates"][1]["named"]
    (whole,) = json.loads(bali("link", "peppery broth", "--json"))
    assert whole["text"] == "peppery broth"
    assert not whole["candidates"][0]["named"]
    assert "spicy soup" in bali("link", "Is spicy soup made of tomato?")


class Interrupted(Quiet):
    """A reporter in whose steps Ctrl-C is pressed after some progress."""

    def __init__(self, after: int) -> None:
        self.after = after

    @contextmanager
    def step(self, title, total=None):
        yield self

    def advance(self, amount=1):
        self.after -= amount
        if self.after <= 0:
            raise KeyboardInterrupt


def test_what_was_interrupted_goes_on(
    kitchen: Settings, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bali_platform.graph.vectors.AT_ONCE", 8)
    encoder, total = ConceptEncoder(str(model)), len(INGREDIENTS) + len(KINDS) + len(DISHES)
    with Graph.connect(kitchen) as graph:
        vectors = Vectors(graph)
        vectors.clear()
        with pytest.raises(KeyboardInterrupt):
            embed_graph(encoder, vectors, reporter=Interrupted(16))
        assert vectors.count() == total - 16
        assert not vectors.made_by(encoder.maker)
        assert embed_graph(encoder, vectors) == total - 16
        assert embed_graph(encoder, vectors) == 0
        assert vectors.made_by(encoder.maker)

        whole, parts = tmp_path / "whole.parquet", tmp_path / "parts.parquet"
        write_parquet(encoder, graph, whole)
        with pytest.raises(KeyboardInterrupt):
            write_parquet(encoder, graph, parts, reporter=Interrupted(24))
        assert not parts.exists()
        monkeypatch.setattr(encoder, "encode", counted := Counted(encoder.encode))
        assert write_parquet(encoder, graph, parts) == total
        assert counted.texts == total - 24
        assert pq.read_table(parts).equals(pq.read_table(whole))
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
        assert write_parquet(encoder, graph, parts, groups=["Disorder"]) == 0


class Counted:
    """Counts the texts that an encoder is given."""

    def __init__(self, encode) -> None:
        self.encode, self.texts = encode, 0

    def __call__(self, texts):
        self.texts += len(texts)
        return self.encode(texts)


def test_another_models_vectors_are_refused(kitchen: Settings, model: Path, bali: Bali) -> None:
    bali("embed", str(model))
    assert "--replace" in bali("embed", "minilm", code=1)
    assert "give --model" in bali("link", "tomato", "--model", "minilm", code=1)
    assert "leaves nothing to write" in bali("embed", str(model), "--no-graph", code=2)


def test_a_sentence_is_explained(kitchen: Settings, model: Path, bali: Bali) -> None:
    bali("embed", str(model))
    target = kitchen.home / "page.html"
    said = bali("explain", "A spicy soup needs a tomato & basil.", "--model", str(model),
                "--output", str(target))  # fmt: skip
    assert "explains 3 mentions" in said
    html = target.read_text(encoding="utf-8")
    for text in ("<svg", "made with →", "← made with", "itself", "Nearest concepts", "&amp; "):
        assert text in html


def test_the_same_command_goes_on_from_the_model(kitchen: Settings, model: Path, capfd) -> None:
    (kitchen.home / "more.toml").write_text(CONFIG.format(name="more", base=model))
    run("train", str(kitchen.home / "more.toml"), "--local")
    assert "2 relation types known, 0 new, 0 gone" in capfd.readouterr().out
    torch.use_deterministic_algorithms(False)
    (row,) = (
        json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
        for folder in (kitchen.home / "jobs").glob("more-*")
    )
    assert math.isfinite(row["loss"])
