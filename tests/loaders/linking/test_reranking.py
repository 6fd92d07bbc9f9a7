"""What an ambiguous name means, decided by a model that can be computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bali_loaders.linking import Linker, Question, Reranker, Unlinked, compile_dictionary
from bali_platform.text.corpus import Mention

NAMES = {
    "C0000001": ("Common cold", "Cold", "Catarrh with fever"),
    "C0000002": ("Low temperature", "Cold", "Ice temperature"),
    "C0000003": ("cold",),
}
WORDS = ["catarrh", "common", "fever", "ice", "low", "temperature", "with"]


def count_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors of word counts: texts without a known word are orthogonal to all others."""
    counts = np.array(
        [[text.casefold().split().count(word) for word in WORDS] + [1e-6] for text in texts],
        dtype=np.float32,
    )
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def lookup(cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {cui: NAMES[cui] for cui in cuis if cui in NAMES}


@pytest.mark.parametrize(
    ("sentence", "threshold", "expected"),
    [
        ("a cold with fever", 0.0, "C0000001"),
        ("cold ice and temperature", 0.0, "C0000002"),
        ("cold ice and temperature", 0.95, None),
        ("a cold with fever", 0.6, None),
    ],
)
def test_the_concept_like_the_sentence_is_meant(
    sentence: str, threshold: float, expected: str | None
) -> None:
    reranker = Reranker(count_words, lookup, threshold)
    question = Question(sentence, "Cold", tuple(NAMES))
    assert reranker.choose([question, question]) == [expected, expected]


def test_cosines_are_those_of_the_mean_of_the_other_names() -> None:
    names = count_words(["Common cold", "Catarrh with fever"]).mean(axis=0)
    sentence = count_words(["a cold with fever"])[0]
    cosine = float(names @ sentence / np.linalg.norm(names))
    question = Question("a cold with fever", "cold", ("C0000001", "C0000002"))
    assert Reranker(count_words, lookup, cosine - 1e-4).choose([question]) == ["C0000001"]
    assert Reranker(count_words, lookup, cosine + 1e-4).choose([question]) == [None]


def test_unknown_concepts_stand_for_the_name_itself() -> None:
    question = Question("ice", "ice", ("C0000009", "C0000003"))
    assert Reranker(count_words, lookup, 0.5).choose([question]) == ["C0000009"]


def test_a_linker_asks_about_ambiguous_names_only(tmp_path: Path) -> None:
    names = [("C0000001", ("Common cold", "Cold")), ("C0000002", ("Low temperature", "Cold"))]
    dictionary = compile_dictionary(names, tmp_path / "d", graph_version="g")
    linker = Linker(dictionary, reranker=Reranker(count_words, lookup, 0.3))
    texts = ["Cold with fever.", "Cold of ice temperature", "The cold came.", "Common cold"]
    sentences = [Unlinked("d", number, text) for number, text in enumerate(texts)]
    found = [sentence.mentions for sentence in linker.link(sentences)]
    assert found == [
        (Mention(0, 4, "C0000001"),),
        (Mention(0, 4, "C0000002"),),
        (),
        (Mention(0, 11, "C0000001"),),
    ]
    assert linker.counts["ambiguous names"] == 3
    assert linker.counts["ambiguous names that a model decided"] == 2


def test_one_that_is_excluded_is_not_linked(tmp_path: Path) -> None:
    names = [("C0000001", ("Common cold", "Cold")), ("C0000002", ("Low temperature", "Cold"))]
    dictionary = compile_dictionary(names, tmp_path / "d", graph_version="g")
    linker = Linker(dictionary, reranker=Reranker(count_words, lookup, 0.0))
    (sentence,) = linker.link([Unlinked("d", 0, "cold ice", exclude="C0000002")])
    assert sentence.mentions == ()
