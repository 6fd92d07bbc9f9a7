"""Strangers and their requests: a clear refusal, and nothing changed."""

import itertools
from urllib.parse import quote

import neo4j
import pytest

pytestmark = pytest.mark.services

INJECTIONS = [
    "' OR 1=1 //",
    "C0000001'}) DETACH DELETE c //",
    "C0000001`) DETACH DELETE (c",
    "}) MATCH (n) DETACH DELETE n //",
    "*) CALL db.createLabel('Intruder') //",
    "\u0000",
    "\ud7ff\uffff",
    "../../../etc/passwd",
    "%00%0a%0d",
    "$cui",
    "{{7*7}}",
    "\\u0027) DETACH DELETE c",
    "heart~1000000 AND *:* OR {a TO z} ^9e9 \\",
    "x" * 5_000,
]
PARAMETERS = {
    "/concepts": (
        {"q": "heart"},
        ["q", "limit", "offset", "type", "group", "source", "language"],
    ),
    "/concepts/{}/codes": ({}, []),
    "/concepts/{}/history": ({}, []),
    "/codes": ({"code": "MSH:DC0000001"}, ["code", "source"]),
    "/codes/subsumes": (
        {"a": "MSH:DC0000001", "b": "MSH:DC0000004"},
        ["a", "b", "source"],
    ),
    "/codes/descendants": (
        {"code": "MSH:DC0000009"},
        ["code", "source", "depth", "limit", "offset"],
    ),
    "/concepts/{}": ({}, []),
    "/concepts/{}/neighbours": ({}, ["type", "source", "group", "outgoing", "limit", "offset"]),
    "/concepts/{}/hierarchy": ({}, ["type", "depth", "descendants"]),
    "/subgraphs": (
        {"cui": "C0000001"},
        ["cui", "hops", "fanout", "type", "source", "group", "outgoing", "seed"],
    ),
    "/paths": (
        {"source": "C0000001", "target": "C0000002"},
        ["source", "target", "type", "max_length", "every", "limit"],
    ),
    "/jobs": ({}, ["state", "limit", "offset"]),
    "/jobs/{}": ({}, []),
    "/jobs/{}/events": ({}, []),
}
COUNT = "MATCH (n) OPTIONAL MATCH (n)-[r]->() RETURN count(DISTINCT n) + count(r) AS n"


def size(driver: neo4j.Driver) -> int:
    return driver.execute_query(COUNT).records[0]["n"]


@pytest.mark.parametrize("path", PARAMETERS)
def test_injections_through_every_parameter_are_only_text(api, graph, path) -> None:
    before = size(graph)
    valid, names = PARAMETERS[path]
    for text, name in itertools.product(INJECTIONS, names):
        answer = api.get(path.format("C0000001"), params={**valid, name: text})
        assert answer.status_code in (200, 404, 422), (name, text, answer.text)
    if "{}" in path:
        for text in INJECTIONS:
            answer = api.get(path.format(quote(text, safe="")))
            assert answer.status_code in (404, 422), (text, answer.text)
    assert size(graph) == before


NUMBERS = [-1, -(2**63), 2**31, 2**63, 10**30, "1e9", "NaN", "0x10", "", "one"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/concepts?q=heart", "limit"),
        ("/concepts?q=heart", "offset"),
        ("/concepts/C0000001/neighbours?", "limit"),
        ("/concepts/C0000001/hierarchy?", "depth"),
        ("/subgraphs?cui=C0000001", "hops"),
        ("/subgraphs?cui=C0000001", "fanout"),
        ("/paths?source=C0000001&target=C0000002", "max_length"),
        ("/paths?source=C0000001&target=C0000002", "limit"),
        ("/jobs?", "limit"),
    ],
)
@pytest.mark.parametrize("number", NUMBERS)
def test_impossible_numbers_are_named(api, path, name, number) -> None:
    answer = api.get(f"{path}&{name}={number}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert name in answer.json()["detail"]
    assert answer.json()["errors"][0]["where"] == f"query.{name}"


def test_ten_megabytes_of_cuis_are_too_many(api) -> None:
    cuis = [f"C{number:07}" for number in range(1_000_000)]
    answer = api.post("/subgraphs", json={"cuis": cuis})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:bali:problem:too-large"
    assert api.get("/subgraphs?" + "&".join(f"cui={cui}" for cui in cuis[:3000])).status_code == 413
    assert api.post("/subgraphs", json={"cuis": cuis[:5001]}).status_code == 422
    assert api.get("/health").status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"cuis": []}', b'{"cuis": "C0000001"}', b'{"cuis": [1]}',
     b'{"cuis": ["C0000001"], "hopps": 1}', b'{"cuis": ["C0000001"], "fanout": 1e300}',
     b"[" * 100_000, b'{"cuis": ["\xff"]}', b'{"cuis": ["\\ud800"]}'],
)  # fmt: skip
def test_bodies_that_are_no_request_are_explained(api, body) -> None:
    for url in ("/subgraphs", "/cypher", "/jobs"):
        answer = api.post(url, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.text) < 5_000


def test_other_sites_change_nothing(api, graph) -> None:
    before = size(graph)
    query = {"query": "MATCH (n) RETURN n"}
    origin = {"Origin": "http://x.example"}
    assert api.post("/cypher", json=query, headers=origin).status_code == 403
    assert api.get("/status", headers={"Host": "x.example"}).status_code == 421
    form = {"Content-Type": "text/plain"}
    assert api.post("/cypher", content=b'{"query": "RETURN 1"}', headers=form).status_code == 415
    assert size(graph) == before


@pytest.mark.parametrize(
    ("method", "url"),
    [("GET", "/nothing"), ("GET", "/ui/../server.py"), ("GET", "/ui/%2e%2e/server.py"),
     ("GET", "/ui/%2e%2e%2fserver.py"), ("DELETE", "/jobs/abc"), ("PUT", "/concepts"),
     ("POST", "/metrics"), ("TRACE", "/status")],
)  # fmt: skip
def test_what_does_not_exist_is_not_found(api, method, url) -> None:
    answer = api.request(method, url)
    assert answer.status_code in (404, 405)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("job", ["0123abcd", "ffffffffffffffff"])
def test_unknown_jobs_are_not_found(api, job) -> None:
    asked = [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/resume")]
    for method, action in asked:
        answer = api.request(method, f"/jobs/{job}{action}")
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:bali:problem:unknown-job"
