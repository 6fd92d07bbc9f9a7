"""Scores of a linker, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from bali_loaders.linking import Linker, Score, compile_dictionary, score_linker
from bali_platform.text.corpus import Mention, Sentence


def test_spans_and_concepts_are_counted_apart(tmp_path: Path) -> None:
    names = [
        ("C0000001", ("fever",)),
        ("C0000002", ("Renal mass", "mass")),
        ("C0000003", ("pain",)),
    ]
    linker = Linker(compile_dictionary(names, tmp_path / "d", graph_version="g"))
    gold = [
        Sentence(
            "d",
            0,
            "a fever and a renal mass",
            (Mention(2, 7, "C0000001"), Mention(20, 24, "C0000002")),
        ),
        Sentence("d", 1, "pain", (Mention(0, 4, "C0000009"),)),
        Sentence("d", 2, "nothing", ()),
    ]
    score = score_linker(linker, gold)
    assert score.spans == Score(right=2, found=3, wanted=3)
    assert score.concepts == Score(right=1, found=3, wanted=3)
    assert score.spans.precision == score.spans.recall == pytest.approx(2 / 3)
    assert score.concepts.f1 == pytest.approx(1 / 3)


def test_abbreviations_are_those_of_the_document(tmp_path: Path) -> None:
    names = [("C0000001", ("renal mass",))]
    linker = Linker(compile_dictionary(names, tmp_path / "d", graph_version="g"))
    mention = (Mention(2, 4, "C0000001"),)
    gold = [
        Sentence("d", 0, "A renal mass (RM).", ()),
        Sentence("d", 1, "A RM.", mention),
        Sentence("e", 0, "A RM.", mention),
    ]
    assert score_linker(linker, gold).concepts == Score(right=1, found=3, wanted=2)


def test_nothing_found_and_nothing_wanted_score_zero() -> None:
    nothing = Score(0, 0, 0)
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)
