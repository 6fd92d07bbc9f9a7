from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from bali_platform.subgraphs import MAX_EDGES
from bali_platform.subgraphs.neighbourhood import choose_edges

entries = st.lists(st.from_regex(r"[A-Z]{1,3} [<>]C[0-9]{3}", fullmatch=True), unique=True)


@given(entries, st.randoms(use_true_random=False))
def test_choice_is_a_bounded_subset_and_ignores_the_order(entries, random) -> None:
    chosen = choose_edges("v", "C1", entries)
    assert len(chosen) == min(len(entries), MAX_EDGES)
    assert set(chosen) <= set(entries)
    random.shuffle(entries)
    assert set(choose_edges("v", "C1", entries)) == set(chosen)


def test_choice_is_uniform_over_versions_and_concepts() -> None:
    hub = [f"ISA >C{number:07d}" for number in range(200)]
    seen = Counter(
        entry
        for version in range(40)
        for concept in range(40)
        for entry in choose_edges(f"v{version}", f"C{concept}", hub)
    )
    assert len(seen) == len(hub)
    # Drawn without replacement, the counts vary less than chi-square allows for: p is cautious.
    assert chisquare(list(seen.values())).pvalue > 0.001


def test_choice_differs_between_versions_and_concepts() -> None:
    hub = [f"ISA >C{number:07d}" for number in range(1000)]
    choices = {
        frozenset(choose_edges(version, cui, hub)) for version in ("a", "b") for cui in ("C1", "C2")
    }
    assert len(choices) == 4
