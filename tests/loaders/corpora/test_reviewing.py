"""Decisions about doubtful mentions: kept as they are taken, by hand too, and made gold."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from bali_loaders.corpora.reviewing import COLUMNS, NOTHING, Review
from bali_platform.base.errors import BaliError
from bali_platform.text.corpus import Mention, Omission, Sentence, write_corpus

SENTENCES = [
    Sentence(
        "a", 0, 'The "MI" was\tsmall, no\nfever.',
        (Mention(4, 8, "C1", 1.0, ("negated",), ("C2",)), Mention(22, 27, "C3")),
    ),
    Sentence(
        "a", 1, "Cold and MI.",
        (Mention(0, 4, "C4", 0.5), Mention(9, 11, "C1", 1.0, (), ("C2",))),
    ),
    Sentence("b", 0, "RA.", (), (Omission(0, 2, ("C5", "C6")),)),
    Sentence("b", 1, "Fever.", (Mention(0, 5, "C3", 0.9),)),
]  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write_corpus(tmp_path / "corpus", SENTENCES, name="corpus", graph_version="g")
    return tmp_path / "corpus"


def gold(review: Review) -> dict[tuple[str, int], list[tuple[int, int, str]]]:
    sentences = review.gold(Counter())
    return {(s.document, s.sentence): [(m.start, m.end, m.cui) for m in s.mentions]
            for s in sentences}  # fmt: skip


def test_what_is_decided_is_gold_and_what_is_open_is_not(corpus: Path, tmp_path: Path) -> None:
    review = Review(corpus, tmp_path / "t.tsv", 0.8)
    asked = [(doubt.mention, doubt.candidates) for doubt in review.open]
    assert asked == [("RA", ("C5", "C6")), ("Cold", ("C4",)), ('"MI"', ("C1", "C2")),
                     ("MI", ("C1", "C2"))]  # fmt: skip
    assert gold(review) == {("b", 1): [(0, 5, "C3")]}
    missing, cold, quoted, plain = review.open
    review.decide(missing, "C6")
    review.decide(cold, NOTHING)
    review.decide(quoted, "C2")
    counts: Counter[str] = Counter()
    (first, *_) = sentences = list(review.gold(counts))
    assert counts == {"sentences with an open doubt": 1}
    assert gold(review) == {
        ("a", 0): [(4, 8, "C2"), (22, 27, "C3")], ("b", 0): [(0, 2, "C6")], ("b", 1): [(0, 5, "C3")]
    }  # fmt: skip
    assert first.mentions[0].attributes == ("negated",) and not first.mentions[0].alternatives
    assert not any(sentence.omitted for sentence in sentences)
    # Nothing was saved, as if the process had been killed.
    again = Review(corpus, tmp_path / "t.tsv", 0.8)
    assert [doubt.mention for doubt in again.open] == ["MI"]
    again.decide(plain, "C1")
    assert gold(again)[("a", 1)] == [(9, 11, "C1")]


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONE])
def test_a_table_is_filled_in_elsewhere(corpus: Path, tmp_path: Path, quoting: int) -> None:
    table = tmp_path / "t.tsv"
    Review(corpus, table, 0.8)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["context"] for row in rows} >= {'The [["MI"]] was small, no fever.'}
    with table.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", quoting=quoting, quotechar=None
                                if quoting == csv.QUOTE_NONE else '"')  # fmt: skip
        writer.writeheader()
        writer.writerows(
            row | {"decision": "C2" if "MI" in row["mention"] else " "} for row in rows
        )
    review = Review(corpus, table, 0.8)
    assert sorted(doubt.mention for doubt in review.open) == ["Cold", "RA"]
    assert gold(review)[("a", 0)] == [(4, 8, "C2"), (22, 27, "C3")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x\ty\n1\t2\n", "is no table of decisions"),
        ("document\tsentence\tstart\tend\tdecision\na\tone\t4\t8\tC2\n", "is no table"),
        ("document\tsentence\tstart\tend\tdecision\nz\t0\t4\t8\tC2\n", "line 2: nothing is to be"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_told_and_kept(corpus: Path, tmp_path: Path, text: str, told: str) -> None:
    table = tmp_path / "t.tsv"
    table.write_text(text)
    with pytest.raises(BaliError, match=told):
        Review(corpus, table, 0.8)
    assert table.read_text() == text
