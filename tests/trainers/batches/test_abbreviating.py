"""Mentions shown by their initials."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trainers.batches.readings import overlapped, spans_of

from bali_platform.graph.names import is_withheld
from bali_platform.text.abbreviations import definition
from bali_trainers.batches.abbreviating import Abbreviator, initials
from bali_trainers.batches.sentences import SentenceBatch

WORDS = ["cystic", "fibrosis", "of", "The", "lung", "6", "β-cell", "(mice)", "T-cell"]
SPANS = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 4)), max_size=4)
SENTENCES = st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), min_size=3, max_size=8), SPANS),
    min_size=1,
    max_size=3,
)


def batch_of(sentences: list[tuple[list[str], list[tuple[int, int]]]]) -> SentenceBatch:
    """Sentences as words, with mentions as (first word, words)."""
    texts, spans = [], []
    for row, (words, mentions) in enumerate(sentences):
        texts.append(" ".join(words))
        for first, count in mentions:
            first = min(first, len(words) - 1)
            start = len(" ".join([*words[:first], ""]))
            spans.append((row, start, start + len(" ".join(words[first : first + count]))))
    row, start, end = np.array(spans, dtype=np.int64).reshape(-1, 3).T
    return SentenceBatch(
        texts,
        row,
        start.astype(np.int32),
        end.astype(np.int32),
        np.array([f"C{number:07d}" for number in range(len(row))], dtype=np.str_),
    )


@settings(max_examples=200, deadline=None)
@given(sentences=SENTENCES, share=st.sampled_from([0.0, 0.5, 1.0]), seed=st.integers(0, 9))
def test_spans_hold_what_they_held_or_its_initials(
    sentences: list[tuple[list[str], list[tuple[int, int]]]], share: float, seed: int
) -> None:
    batch = batch_of(sentences)
    after = Abbreviator(share, 0.0).sentences(batch, np.random.default_rng(seed))
    for mention, (was, now) in enumerate(zip(spans_of(batch), spans_of(after), strict=True)):
        able = initials(was) is not None and not overlapped(batch, mention)
        assert now in ({was, initials(was)} if able else {was})
        assert now == initials(was) or share < 1 or not able
    back = list(after.texts)
    order = np.lexsort((-after.start, after.row))
    for mention in order.tolist():
        was, now = spans_of(batch)[mention], spans_of(after)[mention]
        row, start, end = after.row[mention], after.start[mention], after.end[mention]
        if was == now:
            continue
        before = back[row][:start].removesuffix(f"{was} (")
        beside = before != back[row][:start]
        back[row] = before + was + back[row][end + beside :]
    # What is left are definitions before the sentence, of abbreviations in it, last ones first.
    for row, (whole, text) in enumerate(zip(back, batch.texts, strict=True)):
        assert whole.endswith(text)
        pairs = zip(spans_of(batch), spans_of(after), batch.row, strict=True)
        defined = [definition(now, was) for was, now, own in pairs if own == row and was != now]
        told = whole.removesuffix(text)
        for one in reversed(defined):
            told = told.removeprefix(one)
        assert told == ""


def test_the_share_is_of_mentions_of_several_words_and_most_are_defined() -> None:
    batch = batch_of([(["cystic", "fibrosis", "lung"], [(0, 2), (2, 1)])] * 4000)
    after = Abbreviator(0.3, 0.0).sentences(batch, np.random.default_rng(1))
    short = np.array([text == "CF" for text in spans_of(after)])
    assert not short[1::2].any()
    seen = Counter(text for text in after.texts if "CF" in text)
    shares = {
        "cystic fibrosis (CF) lung": 0.4,
        "cystic fibrosis (CF). CF lung": 0.5,
        "CF lung": 0.1,
    }
    assert seen.keys() == shares.keys()
    for text, part in shares.items():
        share = 0.3 * part
        assert abs(seen[text] - 4000 * share) < 5 * np.sqrt(4000 * share * (1 - share))


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("heat shock protein", "HSP"),
        ("Diseases of the Lung", "DL"),
        ("interleukin 6", "I6"),
        ("6", None),
        ("", None),
        ("of the", None),
        ("24 48", None),
        ("a b c d e f g h", None),
    ],
)
def test_initials(text: str, short: str | None) -> None:
    assert initials(text) == short


def test_names_are_shortened_in_their_share_or_left_to_the_others() -> None:
    names = ["heat shock protein", "fibrosis"] * 2000
    shown = Abbreviator(0.3, 0.0).names(names, ["other"] * 4000, np.random.default_rng(2))
    assert set(shown[::2]) == {"HSP", "other"}
    assert set(shown[1::2]) == {"other"}
    assert abs(shown.count("HSP") - 600) < 5 * np.sqrt(2000 * 0.3 * 0.7)


def test_withheld_names_are_never_shown() -> None:
    words = [f"{one} {other}" for one in "BCDEFGHIJU" for other in "KLMNOPQRST"]
    short = [initials(text) for text in words]
    shown = Abbreviator(1.0, 0.3).names(words, words, np.random.default_rng(3))
    batch = batch_of([(text.split(), [(0, 2)]) for text in words])
    sentences = Abbreviator(1.0, 0.3).sentences(batch, np.random.default_rng(3))
    for said, by_name, word, cut in zip(spans_of(sentences), shown, words, short, strict=True):
        assert cut is not None
        assert said == by_name == (word if is_withheld(cut, 0.3) else cut)
    assert 0 < sum(by_name in words for by_name in shown) < 60
