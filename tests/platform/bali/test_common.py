"""Tables show data as it is, whatever it looks like."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bali.cli.common import fields, table

ODD = ["a:Prid:Pt:Eye:Nom", "poly[/d(A-T)]", r"alpha\[beta] chain", "[bold]x[/bold]", ":secret:"]


@pytest.mark.parametrize("text", ODD)
def test_names_that_look_like_markup_are_shown_as_they_are(text: str) -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(table(text, (text,), [(text,)]))
    console.print(fields(text, {text: text}))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count(text) == 6
