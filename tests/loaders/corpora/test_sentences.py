"""Where sentences end, and that nothing gets lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_loaders.corpora import split_sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Pain rose by 0.5 mg.", "It fell later."],
        ["It was caused by E. coli and S. aureus.", "Both grew."],
        ["See Fig. 2 and cf. Table 3.", "Smith et al. Science reported it."],
        ["Is it mRNA?", "No!", "mRNA was absent.", "p53 was not."],
        ["He took vitamin C. No effect was seen."],
        ["He took vitamin C.", "The effect was small."],
        ["We saw two (8.5%) cases (Dr. Who).", '"Such cases are rare."', "[They recur.]"],
        ["1. First item.", "2. Second item."],
        ["A 5-year-old girl, i.e. a child, approx. 20 kg, vs. Adults."],
        ["Levels (theta = 0. 12) were low.", "12 patients died."],
        ["BACKGROUND", "Heart failure is common."],
        ["The dose was 5 mg.", "3 patients left."],
    ],
)
def test_sentences_come_apart_where_a_reader_would_part_them(sentences: list[str]) -> None:
    glue = "\n\n" if sentences[0].isupper() else " "
    assert split(glue.join(sentences)) == sentences


def test_lists_and_headings_part_a_note_and_wrapped_lines_do_not() -> None:
    parts = ["PMH: gout.", "PLAN:", "1. Chronic heart\nfailure. Stable", "2. Ca. 3 mg", "- rest"]
    assert split("\n".join(parts)) == [
        *parts[:2],
        "1. Chronic heart\nfailure.",
        "Stable",
        *parts[3:],
    ]


@given(st.text(alphabet='aB. 1!?\n()"é', max_size=80) | st.text(max_size=80))
def test_spans_are_ordered_trimmed_and_cover_all_but_space(text: str) -> None:
    spans = split_sentences(text)
    assert all(start < end and text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert "".join("".join(part.split()) for part in split(text)) == "".join(text.split())
