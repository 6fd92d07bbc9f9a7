"""Multi-hop subgraphs, hierarchies and induced subgraphs against the oracle's plain lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.graph import Graph
from bali_platform.subgraphs import Subgraph, explore, hierarchy, induced, of_paths

pytestmark = pytest.mark.services

HUB, BARE_HUB, LONELY = "C0000001", "C0000002", "C0000400"
SERVER = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CUIS = st.integers(1, 400).map(lambda number: f"C{number:07d}")


def triples(subgraph: Subgraph) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.type, edge.target) for edge in subgraph.edges}


def hops(subgraph: Subgraph) -> dict[str, int]:
    return {node.cui: node.hop for node in subgraph.nodes}


def reach(facts: Iterable[tuple[str, str]], starts: Iterable[str], depth: int) -> dict[str, int]:
    """Distances over directed pairs, the slow way."""
    pairs = list(facts)
    found = dict.fromkeys(starts, 0)
    for hop in range(1, depth + 1):
        for source, target in pairs:
            if found.get(source) == hop - 1:
                found.setdefault(target, hop)
    return found


@SERVER
@given(
    cuis=st.lists(CUIS, min_size=1, max_size=4, unique=True),
    fanouts=st.lists(st.integers(1, 80), min_size=1, max_size=3),
    seed=st.integers(-5, 5),
    types=st.none() | st.sets(st.sampled_from(["CHD", "ISA", "RO"]), min_size=1),
    sources=st.none() | st.sets(st.sampled_from(["GO", "MSH"]), min_size=1),
    groups=st.none() | st.sets(st.sampled_from(["Anatomy", "Disorder"]), min_size=1),
    outgoing=st.none() | st.booleans(),
)
def test_subgraphs_keep_every_promise(
    graph: Graph, seeded, cuis, fanouts, seed, types, sources, groups, outgoing
) -> None:
    options = {
        "hops": len(fanouts), "fanout": fanouts, "seed": seed, "types": types,
        "sources": sources, "groups": groups, "outgoing": outgoing,
    }  # fmt: skip
    subgraph = explore(graph, cuis, **options)
    assert subgraph == explore(graph, cuis, **options)
    facts = {(fact.source, fact.type, fact.target): fact.sabs for fact in seeded.facts}
    assert triples(subgraph) <= facts.keys()
    at = hops(subgraph)
    assert {cui for cui, hop in at.items() if hop == 0} == set(cuis)

    def admitted(key, sabs, walked_out: bool) -> bool:
        neighbour = key[2] if walked_out else key[0]
        return (
            (types is None or key[1] in types)
            and (sources is None or bool(sources.intersection(sabs)))
            and (groups is None or seeded.groups[neighbour] in groups)
            and outgoing in (None, walked_out)
        )

    drawn: Counter[str] = Counter()
    for edge in subgraph.edges:
        key = edge.source, edge.type, edge.target
        assert edge.sources == facts[key]
        assert admitted(key, edge.sources, True) or admitted(key, edge.sources, False)
    # Whoever was expanded has all admitted edges, or at least as many as its fan-out.
    for cui, hop in at.items():
        if hop < len(fanouts):
            possible = [
                key for key, sabs in facts.items()
                if (key[0] == cui and admitted(key, sabs, True))
                or (key[2] == cui and admitted(key, sabs, False))
            ]  # fmt: skip
            drawn[cui] = len(triples(subgraph).intersection(possible))
            assert drawn[cui] >= min(len(possible), fanouts[hop])
    assert max(at.values()) <= len(fanouts)
    steps = {
        (at[a], b) for e in subgraph.edges for a, b in ((e.source, e.target), (e.target, e.source))
    }
    assert all((hop - 1, cui) in steps for cui, hop in at.items() if hop)
    assert len(subgraph.nodes) <= len(cuis) + len(subgraph.edges)


@SERVER
@given(cui=CUIS, depth=st.integers(1, 3), outgoing=st.none() | st.booleans())
def test_a_large_fanout_reaches_everything(graph: Graph, seeded, cui, depth, outgoing) -> None:
    pairs = [(fact.source, fact.target) for fact in seeded.facts]
    directions = {True: pairs, False: [pair[::-1] for pair in pairs]}
    walked = directions[True] + directions[False] if outgoing is None else directions[outgoing]
    subgraph = explore(graph, [cui], hops=depth, fanout=20_000, outgoing=outgoing)
    assert hops(subgraph) == reach(walked, [cui], depth)


def test_first_hop_draws_exactly_its_fanout(graph: Graph, seeded) -> None:
    for hub in (HUB, BARE_HUB):
        for fanout in (1, 5, 64, 65, 200):
            assert len(explore(graph, [hub], fanout=fanout).edges) == fanout


def test_rare_edges_of_a_hub_are_found_beyond_its_sample(graph: Graph, seeded) -> None:
    outgoing = {tuple(fact[:3]) for fact in seeded.facts if fact.source == HUB}
    assert 0 < len(outgoing) < 30
    subgraph = explore(graph, [HUB], outgoing=True, fanout=64)
    assert triples(subgraph) == outgoing


@pytest.mark.parametrize("hub", [HUB, BARE_HUB])
def test_draws_at_hubs_are_uniform_over_seeds(graph: Graph, seeded, hub: str) -> None:
    seen: Counter[tuple[str, str, str]] = Counter()
    for seed in range(200):
        seen.update(triples(explore(graph, [hub], fanout=8, seed=seed)))
    pool = 64 if hub == HUB else len(seeded.incident[hub])
    counts = [*seen.values(), *[0] * (pool - len(seen))]
    assert sum(counts) == 1600
    assert chisquare(counts).pvalue > 0.001


def test_retired_starts_are_followed_and_unknown_ones_named(graph: Graph) -> None:
    subgraph = explore(graph, ["C9000001", "gone", "C0000010"])
    assert [node.cui for node in subgraph.nodes if node.hop == 0] == ["C0000010"]
    assert subgraph.missing == ("gone",)
    with pytest.raises(BaliError, match="none of these is in the graph: gone"):
        explore(graph, ["gone"])
    with pytest.raises(BaliError, match="no CUI given"):
        explore(graph, [])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"hops": 0}, "1 to 6 hops"),
        ({"hops": 10**9}, "1 to 6 hops"),
        ({"fanout": 0}, "fan-out"),
        ({"fanout": -3}, "fan-out"),
        ({"fanout": 10**12}, "fan-out"),
        ({"hops": 2, "fanout": [3]}, "2 hops need 2 fan-outs"),
        ({"types": ["PART_OFF"]}, "did you mean 'PART_OF'"),
        ({"groups": ["Disorders"]}, "did you mean 'Disorder'"),
    ],
)
def test_impossible_requests_are_refused(graph: Graph, options, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        explore(graph, [HUB], **options)


def test_too_large_a_subgraph_is_refused_not_cut_short(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bali_platform.subgraphs.exploration.MAX_NODES", 100)
    with pytest.raises(UsageError, match="more than 100 concepts"):
        explore(graph, [HUB], fanout=99, hops=2)


@SERVER
@given(cui=CUIS, depth=st.integers(1, 4), descendants=st.booleans())
def test_hierarchies(graph: Graph, seeded, cui, depth, descendants) -> None:
    up = [(fact.source, fact.target) for fact in seeded.facts if fact.type in ("ISA", "CHD")]
    tree = hierarchy(graph, cui, descendants=descendants, depth=depth)
    walked = [pair[::-1] for pair in up] if descendants else up
    assert hops(tree) == reach(walked, [cui], depth)
    assert {edge.type for edge in tree.edges} <= {"ISA", "CHD"}


@SERVER
@given(cuis=st.sets(CUIS, max_size=60).map(lambda cuis: cuis | {HUB, BARE_HUB}))
def test_induced_subgraphs(graph: Graph, seeded, cuis) -> None:
    subgraph = induced(graph, [*cuis, "gone"])
    assert triples(subgraph) == {
        tuple(fact[:3]) for fact in seeded.facts if {fact.source, fact.target} <= cuis
    }
    assert hops(subgraph) == dict.fromkeys(sorted(cuis), 0)
    assert subgraph.missing == ("gone",)


def test_paths_join_into_a_subgraph(graph: Graph) -> None:
    paths = graph.paths("C0000050", "C0000060", every=True)
    subgraph = of_paths(graph, paths)
    assert hops(subgraph)["C0000050"] == 0
    assert hops(subgraph)["C0000060"] == len(paths[0].links)
    assert triples(subgraph) == {
        (link.source, link.type, link.target) for path in paths for link in path.links
    }
