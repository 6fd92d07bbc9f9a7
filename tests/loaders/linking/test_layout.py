"""Lines that go on, and lines that begin something."""

from __future__ import annotations

import pytest

from bali_loaders.linking.layout import block_starts


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("prior heart\nattack and\nlung cancer", []),
        ("He has had chronic heart failure for years and\nPaget disease.", []),
        ("Cough\nFever", ["Fever"]),
        ("- cough\n- fever", ["- fever"]),
        ("1. Gout\r\n2. Anemia", ["2. Anemia"]),
        ("all of it\n\nnext", ["\nnext", "next"]),
        ("he had gout\nPLAN: rest", ["PLAN: rest"]),
        ("Assessment:\nall good", ["all good"]),
    ],
)
def test_where_something_new_begins(text: str, starts: list[str]) -> None:
    assert [text[start:] for start in block_starts(text)] == starts
