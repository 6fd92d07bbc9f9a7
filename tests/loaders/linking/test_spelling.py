"""Misspelt words of notes: which are corrected, which are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_loaders.linking import PRESETS, TextLinker, compile_dictionary, compile_facts
from bali_loaders.linking.spelling import one_edit_apart

CONCEPTS = {
    "C01": "pneumonia",
    "C02": "congestive heart failure",
    "C03": "tingling",
    "C04": "metastases",
    "C05": "fever",
    "C06": "xanthoma",
    "C07": "xanthomas palmaris",
    "C08": "xanthona",
}


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> TextLinker:
    folder: Path = tmp_path_factory.mktemp("spelling")
    dictionary = compile_dictionary(
        [(cui, (name,)) for cui, name in CONCEPTS.items()], folder / "names", graph_version="g"
    )
    rows = [
        {
            "cui": cui,
            "name": name,
            "types": ["Disease"],
            "groups": ["Disorder", "ChemicalOrDrug"],
            "sources": ["S"],
            "neighbours": [],
            "same": [],
        }
        for cui, name in CONCEPTS.items()
    ]
    return TextLinker(dictionary, compile_facts(rows, folder / "facts"), PRESETS["clinical"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("has pnuemonia", ["C01"]),
        ("Pneumonai, PNEUMONA", ["C01", "C01"]),
        ("h/o congestve heart failure", ["C02"]),
        ("tinkling", []),  # English
        ("fevre, fefer", []),  # short
        ("seen by Pneumonja", []),  # a name
        ("neumonia, pneumma, pneumoniaax", []),  # first letter, two edits
        ("xanthoja", []),  # of two words
    ],
)
def test_what_is_one_edit_from_one_word_is_read_as_that(
    linker: TextLinker, text: str, expected: list[str]
) -> None:
    found = linker.link(text)
    assert [one.cui for one in found] == expected
    assert all(one.score < linker.link("pneumonia")[0].score for one in found)


letters = st.text("abc", min_size=1, max_size=7)


def slow_one_edit_apart(one: str, other: str) -> bool:
    made = {one[:i] + one[i + 1 :] for i in range(len(one))}
    made |= {one[:i] + c + one[i + j :] for i in range(len(one) + 1) for c in "abc" for j in (0, 1)}
    made |= {one[:i] + one[i + 1] + one[i] + one[i + 2 :] for i in range(len(one) - 1)}
    return other in made and one[0] == other[:1] and one != other


@given(letters, letters)
def test_one_edit_is_what_a_search_of_all_edits_finds(one: str, other: str) -> None:
    if one != other:
        assert one_edit_apart(one, other) == slow_one_edit_apart(one, other)
