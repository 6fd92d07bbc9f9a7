"""The text of value sets."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bali_platform.base.errors import UsageError
from bali_platform.terminology.expressions import Codes, Filter, Filtered, Joined, Saved, parse


def test_all_of_the_syntax() -> None:
    text = '(<< A:1 |a (term)| OR ^old) {{ group != (X "y z"), term = w }} MINUS <! "odd (code)"'
    assert parse(text) == Joined(
        "MINUS",
        (
            Filtered(
                Joined("OR", (Codes("<<", "A:1"), Saved("old"))),
                (Filter("group", False, ("X", "y z")), Filter("term", True, ("w",))),
            ),
            Codes("<!", "odd (code)"),
        ),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "column 1: a code"),
        ("A:1 A:2", "column 5: 'A:2' is not expected"),
        ("A:1 AND B:2 OR C:3", "AND and OR without brackets"),
        ("A:1 MINUS B:2 MINUS C:3", "MINUS twice"),
        ("(A:1", r"'\)' is missing"),
        ("A:1 {{ colour = red }}", "no filter 'colour'"),
        ("A:1 {{ grup = X }}", "did you mean 'group'"),
        ("A:1 {{ group X }}", "= or !="),
        ("A:1 {{ group = X", "'}}' is missing"),
        ("<", "a code such as"),
        ('A:1 "', "cannot read"),
        ("(" * 60 + "A:1" + ")" * 60, "50 deep"),
        ("A" * 20_001, "at most 20000"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse(text)


@example('1"\n"')
@given(st.text(alphabet='AB:1<>!^(){}=,|"\\ */MINUS\n', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except UsageError as error:
        assert "\n" not in str(error).partition("cannot read")[0]
