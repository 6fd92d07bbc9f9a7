"""The order of what a search finds, held against a slow reading of the rule."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali.graph import Graph
from bali_platform.graph.names import name_key
from bali_platform.graph.search import rank

WORDS = ("heart", "Heart", "attack", "art", "heartburn", "Straße", "1,2-xylene", "of", "(acute)")
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
TEXTS = NAMES | st.sampled_from(["heart att", "hea", "STRASSE", "xyl", "?"])


def closeness(text: str, name: str) -> tuple[bool, int, int]:
    """The same name; how many of the words it has or begins; how few others."""
    words = re.findall(r"\w+", name_key(name))
    asked = re.findall(r"\w+", name_key(text))
    met = [part for part in asked if any(word.startswith(part) for word in words)]
    return name_key(name) == name_key(text), len(met), -len(words)


@given(TEXTS, st.lists(st.lists(NAMES, min_size=1, max_size=5), min_size=1, max_size=6))
def test_hits_are_ranked_by_their_closest_names(text: str, concepts: list[list[str]]) -> None:
    rows = [
        {"cui": f"C{n}", "name": names[0], "names": names, "semantic_types": None, "score": n % 3}
        for n, names in enumerate(concepts)
    ]

    def standing(row: dict) -> tuple:
        best = max(closeness(text, name) for name in row["names"])
        return closeness(text, row["name"])[0], *best, row["score"]

    wanted = sorted(sorted(rows, key=lambda row: row["cui"]), key=standing, reverse=True)
    hits = rank(text, rows)
    assert [hit.cui for hit in hits] == [row["cui"] for row in wanted]
    for hit, row in zip(hits, wanted, strict=True):
        assert closeness(text, hit.matched) == standing(row)[1:4]


@pytest.mark.services
def test_every_name_finds_its_concept(graph: Graph, seeded) -> None:
    for cui in sorted(seeded.names)[5::25]:
        for name in seeded.names[cui]:
            hits = graph.search(name)
            bearers = [hit.cui for hit in hits if name_key(hit.matched) == name_key(name)]
            assert cui in bearers
            assert hits[0].cui in bearers
