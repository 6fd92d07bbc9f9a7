"""Look-alike names against a comparison with every name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from bali_platform.graph.names import name_key
from bali_platform.subgraphs import Lookup
from bali_trainers.batches.lookalikes import COMPARED, LookAlikes, likeness

NAMES = st.lists(
    st.text(alphabet="abcA ", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=30
)


@dataclass
class Names:
    """A source of names; neighbourhoods are not asked for."""

    of: dict[str, str]
    graph_version: str = "g"

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {cui: (self.of[cui], "another") for cui in cuis if cui in self.of}

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        raise NotImplementedError


@given(
    names=NAMES, asked=st.text(alphabet="abcA ", min_size=1, max_size=12), count=st.integers(1, 5)
)
def test_the_nearest_are_those_of_a_comparison_with_all(
    names: list[str], asked: str, count: int
) -> None:
    known = {f"C{number:02d}": name for number, name in enumerate(names)}
    alike = LookAlikes([*known, "GONE"], Names(known))
    ranked = sorted(
        (cui for cui, name in known.items() if likeness(name, asked) > 0),
        key=lambda cui: (-likeness(known[cui], asked), cui),
    )
    others = [cui for cui in ranked if name_key(known[cui]) != name_key(asked)]
    assert list(alike.nearest(asked, count)) == others[:count]


def test_one_is_found_among_many_that_share_common_trigrams() -> None:
    known = {f"C{number:05d}": f"chronic disease type {number}" for number in range(40 * COMPARED)}
    known["X"] = "chronic gastritis type 7"
    alike = LookAlikes(list(known), Names(known))
    assert alike.nearest("chronic gastritis type 9", 1) == ("X",)
    assert LookAlikes([], Names(known)).nearest("chronic gastritis", 1) == ()
