"""What is kept is read once, and never more than so much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bali_platform.terminology.kept import Kept

KEYS = st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=20)


@given(questions=KEYS, most=st.integers(0, 10))
def test_answers_are_those_of_reading_everything(questions: list[list[int]], most: int) -> None:
    kept: Kept[int, int] = Kept(most)
    for keys in questions:
        # Nothing is known of multiples of seven.
        found = kept.get(keys, lambda new: {key: key * key for key in new if key % 7})
        assert found == {key: key * key for key in keys if key % 7}


def test_what_fits_is_read_once() -> None:
    kept: Kept[str, int] = Kept(3)
    read: list[str] = []

    def lengths(keys: list[str]) -> dict[str, int]:
        read.extend(keys)
        return {key: len(key) for key in keys}

    for _ in range(2):
        assert kept.get(["a", "bb", "a"], lengths) == {"a": 1, "bb": 2}
    assert read == ["a", "bb"]
    kept.get(["c", "d"], lengths)  # one too many: it starts anew
    kept.get(["c", "a"], lengths)
    assert read == ["a", "bb", "c", "d", "a"]
    kept.get(["w", "x", "y", "z"], lengths)  # never fit, and push nothing out
    kept.get(["c", "d", "a"], lengths)
    assert read[-4:] == ["w", "x", "y", "z"]
