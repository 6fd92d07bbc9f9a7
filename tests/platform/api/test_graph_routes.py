"""The graph through the API, against the lists that it was made from."""

import time

import httpx
import neo4j
import pytest

pytestmark = pytest.mark.services


def edges_of(answer: httpx.Response) -> set[tuple[str, ...]]:
    assert answer.status_code == 200, answer.text
    return {
        (edge["source"], edge["type"], edge["target"], tuple(edge["sources"]))
        for edge in answer.json()["edges"]
    }


def cuis_of(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [node["cui"] for node in answer.json()["nodes"]]


def pages(api: httpx.Client, url: str) -> list[httpx.Response]:
    found = []
    while url:
        found.append(api.get(url))
        assert found[-1].status_code == 200, found[-1].text
        url = found[-1].json()["next"]
    return found


def test_search_finds_names_codes_and_cuis(api, facts) -> None:
    for query in ("heart attack", "Myocardial inf", "C0000001", "MSH:DC0000001", "hart atack"):
        assert cuis_of(api.get("/concepts", params={"q": query}))[0] == "C0000001", query
    assert api.get("/concepts", params={"q": "zebra"}).json()["nodes"] == []


def test_search_pages_show_everything_once(api, facts) -> None:
    found = pages(api, "/concepts?q=kind+disease&limit=40")
    assert [len(page.json()["nodes"]) for page in found] == [40, 40, 10]
    shown = [cui for page in found for cui in cuis_of(page)]
    assert sorted(shown) == sorted(c for c, n in facts.names.items() if n[0].startswith("Kind"))


def test_concept_is_shown_in_full(api, facts) -> None:
    for asked in ("C0000001", *facts.retired):
        (node,) = api.get(f"/concepts/{asked}").json()["nodes"]
        assert node["cui"] == "C0000001"
        assert tuple(node["names"]) == facts.names["C0000001"]
        assert node["groups"] == ["Disorder"]


def test_odd_characters_survive(api, facts) -> None:
    (node,) = api.get("/concepts/C0000007").json()["nodes"]
    assert tuple(node["names"]) == facts.names["C0000007"]


def test_pages_of_neighbours_show_every_edge_once(api, facts) -> None:
    found = pages(api, f"/concepts/{facts.hub}/neighbours?limit=40")
    assert [len(page.json()["edges"]) for page in found] == [40, 40, 11]
    assert set.union(*map(edges_of, found)) == facts.around(facts.hub)


@pytest.mark.parametrize(
    ("parameters", "matches"),
    [
        ({"type": "ISA"}, lambda edge: edge.type == "ISA"),
        ({"type": ["isa", "MAY_TREAT"]}, lambda edge: edge.type in {"ISA", "MAY_TREAT"}),
        ({"source": "MED-RT"}, lambda edge: "MED-RT" in edge.sabs),
        ({"outgoing": "true"}, lambda edge: edge.source == "C0000001"),
        ({"outgoing": "false"}, lambda edge: edge.target == "C0000001"),
        ({"group": "Anatomy"}, lambda edge: edge.target == "C0000003"),
    ],
)
def test_neighbours_are_filtered(api, facts, parameters, matches) -> None:
    answer = api.get("/concepts/C0000001/neighbours", params=parameters)
    assert edges_of(answer) == {edge for edge in facts.around("C0000001") if matches(edge)}
    answer = api.get("/subgraphs", params={"cui": "C0000001", **parameters})
    assert edges_of(answer) == {edge for edge in facts.around("C0000001") if matches(edge)}


def test_subgraph_grows_by_hops(api, facts) -> None:
    one = api.get("/subgraphs?cui=C0000002")
    assert edges_of(one) == facts.around("C0000002")
    two = api.get("/subgraphs?cui=C0000002&hops=2")
    assert edges_of(two) == facts.around("C0000002", "C0000001", "C0000005")
    hops = {node["cui"]: node["hop"] for node in two.json()["nodes"]}
    assert hops == {"C0000002": 0, "C0000001": 1, "C0000005": 1, "C0000003": 2, "C0000004": 2}


def test_many_concepts_at_once_and_what_is_missing(api, facts) -> None:
    cuis = [*facts.names, *(f"C7{n:06}" for n in range(3000))]
    answer = api.post("/subgraphs", json={"cuis": cuis, "fanout": 200})
    assert edges_of(answer) == set(facts.edges)
    assert answer.json()["missing"] == cuis[len(facts.names) :]


def test_a_hub_is_sampled_and_the_seed_chooses(api, facts) -> None:
    def draw(seed: int) -> set[tuple[str, ...]]:
        answer = api.get(f"/subgraphs?cui={facts.hub}&fanout=10&seed={seed}")
        return edges_of(answer)

    assert len(draw(1)) == 10
    assert draw(1) == draw(1) != draw(2)
    assert draw(1) <= facts.around(facts.hub)


def test_no_hop_means_the_edges_among_the_concepts(api, facts) -> None:
    answer = api.get("/subgraphs?hops=0&cui=C0000001&cui=C0000002&cui=C0000003")
    inside = {"C0000001", "C0000002", "C0000003"}
    assert edges_of(answer) == {e for e in facts.edges if {e.source, e.target} <= inside}


@pytest.mark.parametrize(
    "written", ["fanout=7&seed=3&hops=1", "fanout=%37&seed=3", "&seed=+3&fanout=07"]
)
def test_it_is_the_same_question_however_it_is_written(api, facts, written) -> None:
    asked = {"cuis": [facts.hub, "gone", facts.retired[0]], "fanout": 7, "seed": 3}
    cuis = "&".join(f"cui={cui}" for cui in asked["cuis"])
    answer = api.get(f"/subgraphs?{cuis}&{written}")
    assert answer.json() == api.post("/subgraphs", json=asked).json()
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "wrong",
    ["fanout=0", "fanout=257", "fanout=-1", "fanout=1e1", "hops=4", "seed=-1", "seed=9" + "9" * 19,
     "cui=", "cui=" + "x" * 401, "cui=C%00", "&".join(["cui=C1"] * 101)],
)  # fmt: skip
def test_what_is_not_plain_is_checked(api, wrong) -> None:
    answer = api.get(f"/subgraphs?cui=C0000001&{wrong}")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:bali:problem:invalid-request"


def test_hierarchy_goes_up_and_down(api, facts) -> None:
    assert cuis_of(api.get("/concepts/C0000001/hierarchy")) == ["C0000001", "C0000004", facts.hub]
    below = api.get(f"/concepts/{facts.hub}/hierarchy?descendants=true&depth=2")
    assert edges_of(below) == {edge for edge in facts.edges if edge.type == "ISA"}


def test_paths_are_shortest(api) -> None:
    answer = api.get("/paths?source=C0000006&target=C0000004").json()
    assert answer["paths"] == [["C0000006", "C0000003", "C0000001", "C0000004"]]
    assert len(answer["edges"]) == 3
    answer = api.get("/paths?source=C0000002&target=C0000003&every=true").json()
    assert sorted(path[1] for path in answer["paths"]) == ["C0000001", "C0000005"]
    assert api.get("/paths?source=C0000001&target=C0000008").json()["paths"] == []


@pytest.mark.parametrize(
    "url",
    [
        "/concepts/C0099999",
        "/concepts/C0099999/neighbours",
        "/concepts/C0099999/hierarchy",
        "/subgraphs?cui=C0099999",
        "/subgraphs?cui=C0099999&hops=0",
        "/paths?source=C0000001&target=C0099999",
    ],
)
def test_unknown_concepts_are_problems(api, url) -> None:
    answer = api.get(url)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:bali:problem:unknown-concept"
    assert problem["status"] == 404
    assert "C0099999" in problem["detail"]


@pytest.mark.parametrize("parameter", ["type=ISAA", "group=Disorders"])
def test_a_misspelt_filter_is_answered_with_the_right_one(api, parameter) -> None:
    answer = api.get(f"/subgraphs?cui=C0000001&{parameter}")
    assert answer.status_code == 422
    assert "did you mean" in answer.json()["detail"]


def test_the_tag_follows_the_graph(api: httpx.Client, graph: neo4j.Driver) -> None:
    url = "/subgraphs?cui=C0000002"
    first = api.get(url)
    tag = first.headers["etag"]
    assert api.get(url, headers={"If-None-Match": tag}).status_code == 304
    graph.execute_query("MATCH (r:Release) SET r.graph_version = 'v2'")
    graph.execute_query("MATCH (c:Concept {cui: 'C0000002'}) SET c.name = 'ASA'")
    try:
        deadline = time.monotonic() + 20
        while (answer := api.get(url, headers={"If-None-Match": tag})).status_code == 304:
            assert time.monotonic() < deadline
        assert answer.headers["etag"] != tag
        assert answer.json()["graph_version"] == "v2"
        assert answer.json()["nodes"][0]["name"] == "ASA"
    finally:
        graph.execute_query("MATCH (r:Release) SET r.graph_version = 'v1'")
        graph.execute_query("MATCH (c:Concept {cui: 'C0000002'}) SET c.name = 'Aspirin'")
