"""What HTTP promises beside the answers: versions, methods, types, ids of any shape."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import neo4j
import pytest

pytestmark = pytest.mark.services

ODD = [
    "http://purl.obolibrary.org/obo/HP_0001945",
    "café 7",
    "k" * 60,
    "a/b#c?d",
    "心",
]


@pytest.fixture
def odd(graph: neo4j.Driver) -> None:
    graph.execute_query(
        "UNWIND $ids AS id MERGE (c:Concept {cui: id}) "
        "SET c.name = id, c.names = [id], c.semantic_types = [], c.sources = []",
        ids=[*ODD, "a1", "A1"],
    )


@pytest.mark.parametrize("name", ODD)
def test_ids_of_any_shape_are_found_on_every_route(api: httpx.Client, odd, name: str) -> None:
    for route in ("", "/codes", "/history", "/neighbours", "/hierarchy"):
        answer = api.get(f"/v1/concepts/{quote(name, safe='')}{route}")
        assert answer.status_code == 200, (route, answer.text)
    assert api.get("/subgraphs", params={"cui": name}).status_code == 200
    assert api.get("/paths", params={"source": name, "target": name}).status_code == 200
    assert api.post("/concepts", json={"cuis": [name]}).json()["nodes"][0]["cui"] == name


def test_ids_that_differ_in_case_are_two(api: httpx.Client, odd) -> None:
    for name in ("a1", "A1"):
        assert api.get(f"/concepts/{name}").json()["nodes"][0]["cui"] == name


def test_the_version_is_a_prefix_of_every_address(api: httpx.Client) -> None:
    for path in ("/concepts?q=kind&limit=2", "/concepts/C0000001", "/status", "/sources"):
        old, new = api.get(path), api.get(f"/v1{path}")
        assert (new.status_code, new.json().get("nodes")) == (200, old.json().get("nodes"))
    following = api.get("/v1/concepts?q=kind&limit=2").json()["next"]
    assert following.startswith("/v1/concepts?")
    assert api.get(following).status_code == 200


def test_methods(api: httpx.Client) -> None:
    got, head = api.get("/concepts/C0000001"), api.head("/v1/concepts/C0000001")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == got.headers["etag"]
    assert api.head("/events").status_code == 200
    options = api.options("/v1/concepts")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    refused = api.delete("/concepts")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert refused.json()["type"] == "urn:bali:problem:method-not-allowed"


def test_what_is_not_understood_is_named(api: httpx.Client) -> None:
    answer = api.get("/concepts?q=heart&limt=3")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "no query parameter 'limt' (did you mean 'limit'?)"
    form = api.post("/codes", content=b"x", headers={"Content-Type": "text/csv"})
    assert form.json()["type"] == "urn:bali:problem:unsupported-media-type"


def test_large_answers_are_packed(api: httpx.Client, facts) -> None:
    answer = api.get("/concepts?q=kind&limit=90")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()["nodes"]) == 90


def test_neighbours_have_groups(api: httpx.Client, facts) -> None:
    nodes = api.get("/concepts/C0000001/neighbours").json()["nodes"]
    assert {n["cui"]: n["groups"] for n in nodes} == {
        n["cui"]: [facts.groups[n["cui"]]] for n in nodes
    }


def test_ten_thousand_at_once(api: httpx.Client, facts) -> None:
    cuis = [*facts.names, *(f"C7{n:06}" for n in range(9_000))]
    found = api.post("/v1/concepts", json={"cuis": cuis}).json()
    assert [node["cui"] for node in found["nodes"]] == list(facts.names)
    assert len(found["missing"]) == 9_000
    codes = [f"MSH:D{cui}" for cui in cuis]
    found = api.post("/v1/codes", json={"codes": codes}).json()["codes"]
    assert sum(each["status"] == "found" for each in found) == len(facts.names)


def test_what_the_graph_is_made_of(api: httpx.Client, facts) -> None:
    counts = api.get("/v1/relationship-types").json()["relationship_types"]
    assert counts == {kind: sum(e.type == kind for e in facts.edges) for kind in facts.types}
    assert [s["sab"] for s in api.get("/v1/sources").json()["sources"]] == ["MSH"]


def test_other_sites_may_be_let_in(services, settings, serve) -> None:
    with (
        serve(settings, BALI_API_ORIGINS="https://app.example") as address,
        httpx.Client(base_url=address) as api,
    ):
        origin = {"Origin": "https://app.example"}
        answer = api.post("/v1/codes", json={"codes": []}, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.status_code != 403
        other = api.post("/v1/codes", json={"codes": []}, headers={"Origin": "https://x.example"})
        assert other.status_code == 403
