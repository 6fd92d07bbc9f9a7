"""Texts linked over HTTP and from Python: the same answers, of the graph that is live."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import neo4j
import pytest
from fastapi.testclient import TestClient

import bali
from bali.cli.review import review
from bali.serving.linking import LINES, MAX_BODY_BYTES, MAX_TEXTS, link_routes
from bali_loaders.linking import Preset
from bali_platform.api.app import create_app
from bali_platform.api.backend import Backend
from bali_platform.api.guard import MAX_BODY_BYTES as MAX_USUAL_BODY_BYTES
from bali_platform.api.guard import Access
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_platform.graph import Graph
from bali_platform.text.corpus import Mention, Sentence, read_sentences, write_corpus

pytestmark = pytest.mark.services

CONCEPTS = [
    ("C01", "Disorder", ["Myocardial infarction", "heart attack"]),
    ("C02", "Disorder", ["Fever"]),
    ("C03", "ChemicalOrDrug", ["Aspirin"]),
    ("C04", "Phenomenon", ["Cold temperature", "Frog croup"]),
    ("C05", "Disorder", ["Common cold", "Frog croup"]),
    ("C06", "Procedure", ["Ultrasonography"]),
]
TEXTS = [
    "🩺 Denies fever.\nMother had a heart\nattack; ultrasonography is planned.",
    "FAMILY HISTORY:\nHeart attack (HA).\n\nPLAN:\nAspirin for HA, frog croup.",
    "",
]


@pytest.fixture(scope="module")
def live(driver: neo4j.Driver, settings: Settings) -> Iterator[list[Graph]]:
    """The graph that is live, as the only item: tests may put another one in its place."""
    driver.execute_query("MATCH (n) DETACH DELETE n")
    driver.execute_query(
        "UNWIND $rows AS row CREATE (c:Concept {cui: row[0], name: row[2][0], names: row[2], "
        "semantic_types: [row[1]], sources: ['S']}) SET c:$(row[1])",
        rows=CONCEPTS,
    )
    driver.execute_query(
        "CREATE (:Release {version: '2026AA', graph_version: 'first', relation_types: []})"
    )
    with Graph.connect(settings) as graph, pytest.MonkeyPatch.context() as patch:
        patch.setenv("BALI_HOME", str(settings.home))
        yield [graph]


@pytest.fixture(scope="module")
def client(live: list[Graph], settings: Settings) -> Iterator[TestClient]:
    routes = [lambda _: link_routes(lambda: live[0])]
    with TestClient(create_app(Backend(settings), Access(loopback=False), routes)) as client:
        yield client


def ask(client: TestClient, **body: Any) -> Any:
    answer = client.post("/v1/link", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def plain(value: Any) -> Any:
    return json.loads(json.dumps(asdict(value)))


@pytest.mark.parametrize("preset", ["clinical", "literature"])
def test_http_and_python_answer_the_same(client: TestClient, preset: Preset) -> None:
    answer = ask(client, texts=TEXTS, preset=preset)
    assert (answer["graph_version"], answer["release"]) == ("first", "2026AA")
    assert answer["results"] == [plain(one) for one in bali.link(TEXTS, preset)]
    alone = [ask(client, text=text, preset=preset)["results"] for text in TEXTS]
    assert alone == [[plain(bali.link(text, preset))] for text in TEXTS]
    assert alone == [[one] for one in answer["results"]]


def test_mentions_are_told_in_full(client: TestClient) -> None:
    first, second, empty = ask(client, texts=TEXTS, preset="clinical")["results"]
    for text, result in zip(TEXTS, (first, second), strict=False):
        for one in result["mentions"]:
            assert text[one["start"] : one["end"]] == one["text"]
    assert [(one["text"], one["cui"], one["attributes"]) for one in first["mentions"]] == [
        ("fever", "C02", ["negated"]),
        ("heart\nattack", "C01", ["family"]),
    ]
    history, defined, drug, again, cold = second["mentions"]
    assert history["name"] == "Myocardial infarction" and history["section"] == "family"
    assert (defined["text"], again["text"]) == ("HA", "HA") and defined["cui"] == again["cui"]
    assert (drug["cui"], drug["attributes"]) == ("C03", [])
    assert cold["text"] == "frog croup" and 0 < cold["score"] <= 1
    assert empty == {"mentions": [], "omitted": []}


def test_filters_choose_what_is_linked(client: TestClient) -> None:
    def found(**body: Any) -> set[str]:
        (result,) = ask(client, text=TEXTS[0], **body)["results"]
        return {one["cui"] for one in result["mentions"]}

    assert found() == {"C01", "C02", "C06"}
    assert found(groups=["procedure"], preset="clinical") == {"C06"}
    assert found(types=["Disorder"]) == {"C01", "C02"}
    assert found(sources=["S"], preset="clinical") == {"C01", "C02"}
    (result,) = ask(client, text="a frog croup", nil=1.0)["results"]
    (omitted,) = result["omitted"]
    assert result["mentions"] == [] and omitted["text"] == "frog croup"
    assert sorted(omitted["candidates"]) == ["C04", "C05"]
    assert plain(bali.link("a frog croup", nil=1.0)) == result


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"text": "x", "preset": "clincal"}, "clinical"),
        ({"text": "fever", "groups": ["Disorders"]}, "Disorder"),
        ({"text": "fever", "types": ["Nonsense"]}, "Nonsense"),
        ({}, "either text or texts"),
        ({"text": "x", "texts": ["x"]}, "either text or texts"),
        ({"texts": []}, "texts"),
        ({"texts": ["x"] * (MAX_TEXTS + 1)}, str(MAX_TEXTS)),
        ({"text": "x", "nil": 1.5}, "nil"),
        ({"text": "x", "presets": "clinical"}, "presets"),
    ],
)
def test_bad_requests_are_refused(client: TestClient, body: dict[str, Any], told: str) -> None:
    answer = client.post("/link", json=body)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_python_refuses_a_preset_that_is_none(live: list[Graph]) -> None:
    with pytest.raises(UsageError, match="clinical"):
        bali.link("fever", "clincal", live[0])


def test_large_bodies_are_taken_up_to_the_limit(client: TestClient) -> None:
    (result,) = ask(client, text="fever " + " " * MAX_USUAL_BODY_BYTES + "aspirin")["results"]
    assert [one["cui"] for one in result["mentions"]] == ["C02", "C03"]
    body = json.dumps({"text": " " * MAX_BODY_BYTES}).encode()
    for sent in (body, iter([body[:1000], body[1000:]])):
        headers = {"content-type": "application/json"}
        answer = client.post("/v1/link", content=sent, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:bali:problem:too-large"


def test_spacy_answers_the_same(live: list[Graph]) -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin

    from bali.spacy_linker import EXTENSIONS  # as the entry point does

    pipeline = spacy.blank("en")
    pipeline.add_pipe(
        "bali_linker", config={"preset": "clinical", "groups": ["Disorder", "Procedure"]}
    )
    docs = [*pipeline.pipe([*TEXTS, "(heart-attack)5"]), pipeline(TEXTS[0])]
    stored = DocBin(store_user_data=True, docs=docs).to_bytes()
    docs += DocBin(store_user_data=True).from_bytes(stored).get_docs(pipeline.vocab)
    for doc in docs:
        linked = bali.link(doc.text, "clinical", live[0], groups=["Disorder", "Procedure"])
        spans = doc.spans["bali"]
        told = [(span.kb_id_, *(span._.get(f"bali_{n}") for n in EXTENSIONS)) for span in spans]
        wanted = [(m.cui, *(getattr(m, n) for n in EXTENSIONS)) for m in linked.mentions]
        assert json.dumps(told) == json.dumps(wanted)
        assert all(m.text in span.text for span, m in zip(spans, linked.mentions, strict=True))
        assert [entity.kb_id_ for entity in doc.ents] == [m.cui for m in linked.mentions]
    assert sum(len(doc.ents) for doc in docs) > 12


def test_doubts_are_decided_with_keys_and_in_the_table(
    live: list[Graph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, table, keys = tmp_path / "ward", tmp_path / "ward-review.tsv", iter("x\r9q")
    doubtful = (Mention(0, 9, "C04", 0.5, (), ("C05",)), Mention(11, 16, "C02", 0.4))
    write_corpus(
        corpus,
        [Sentence("a", 0, "Frog croup, fever.", doubtful)],
        name="ward",
        graph_version="first",
    )
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("typer.getchar", lambda: next(keys))
    review(corpus)  # a key that is none, later, another that is none, enough
    assert [row.split("\t")[6] for row in table.read_text().splitlines()[1:]] == ["", ""]
    keys = iter("0\x03")
    monkeypatch.setattr("typer.getchar", lambda: stop() if (key := next(keys)) == "\x03" else key)
    with pytest.raises(KeyboardInterrupt):
        review(corpus)
    table.write_text(table.read_text().replace("C04 C05\t\t", "C04 C05\tC05\t"))
    review(corpus, output=tmp_path / "gold")
    (sentence,) = read_sentences(tmp_path / "gold")
    assert [(m.start, m.end, m.cui) for m in sentence.mentions] == [(0, 9, "C05")]
    table.write_text(table.read_text().replace("C04 C05\tC05\t", "C04 C05\tC99\t"))
    with pytest.raises(BaliError, match=r"ward-review.*the graph has no concept 'C99'"):
        review(corpus)


def stop() -> str:
    raise KeyboardInterrupt


def test_who_accepts_lines_gets_a_line_for_each_text(client: TestClient) -> None:
    whole = ask(client, texts=TEXTS)
    answer = client.post("/v1/link", json={"texts": TEXTS}, headers={"accept": LINES})
    assert answer.headers["content-type"] == LINES
    head, *results = map(json.loads, answer.text.splitlines())
    assert {**head, "results": results} == whole
    wrong = {"texts": TEXTS, "types": ["Nonsense"]}
    assert client.post("/v1/link", json=wrong, headers={"accept": LINES}).status_code == 422


def test_who_asks_at_the_same_time_gets_an_answer_of_their_own(client: TestClient) -> None:
    texts = [text for text in TEXTS if text]
    asked: list[dict[str, Any]] = [
        {"texts": texts[at % 2 :], "preset": preset, "groups": groups}
        for at in range(8)
        for preset in ("clinical", "literature")
        for groups in ([], ["Disorder"], ["Nonsense"])
    ]
    alone = [client.post("/v1/link", json=body) for body in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(lambda body: client.post("/v1/link", json=body), asked))
    assert [one.status_code for one in together] == [one.status_code for one in alone]
    assert {200, 422} == {one.status_code for one in alone}
    assert [one.json() for one in together] == [one.json() for one in alone]


def test_the_route_is_documented(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/link"]["post"]
    assert operation["x-max-body-bytes"] == MAX_BODY_BYTES
    assert {"200", "413", "422", "503"} <= operation["responses"].keys()
    assert {"application/json", LINES} == operation["responses"]["200"]["content"].keys()
    told = document["components"]["schemas"]
    assert {"text", "cui", "alternatives", "attributes"} <= told["Mention"]["properties"].keys()


def test_a_new_graph_brings_its_names(
    client: TestClient, live: list[Graph], driver: neo4j.Driver, settings: Settings
) -> None:
    def found() -> tuple[str, list[str]]:
        answer = ask(client, text="a feverish frog croup")
        return answer["graph_version"], [one["cui"] for one in answer["results"][0]["mentions"]]

    before = found()
    driver.execute_query("MATCH (c:Concept {cui: 'C02'}) SET c.names = ['Fever', 'Feverish']")
    driver.execute_query("MATCH (r:Release) SET r.graph_version = 'second'")
    with Graph.connect(settings) as new:
        old, live[0] = live[0], new
        after = found()
        python = [one.cui for one in bali.link("a feverish frog croup").mentions]
        live[0] = old
    assert before[0] == "first" and "C02" not in before[1]
    assert after[0] == "second" and "C02" in after[1]
    assert python == after[1]
