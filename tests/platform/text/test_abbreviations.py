"""Abbreviations and the long forms before them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.counting import count_calls

from bali_platform.text.abbreviations import definition, definitions_for, find_abbreviations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The adenomatous polyposis coli (APC) gene", {"APC": "adenomatous polyposis coli"}),
        ("in ataxia-telangiectasia (A-T), cells", {"A-T": "ataxia-telangiectasia"}),
        ("transferrin receptor [TfR]", {"TfR": "transferrin receptor"}),
        ("glucose-6-phosphate dehydrogenase (G6PD)", {"G6PD": "glucose-6-phosphate dehydrogenase"}),
        ("hypobetalipoproteinemia (HBL)", {"HBL": "hypobetalipoproteinemia"}),
        ("von Willebrand factor (vWF) and vWF (vWF)", {"vWF": "von Willebrand factor"}),
        ("patients (n=12) were (see Fig) seen (Table 2)", {}),
        ("a very late answer (XYZ)", {}),
        ("heat shock protein (HSP) and high salt pulse (HSP)", {"HSP": "heat shock protein"}),
        ("(HSP) begins", {}),
        ("unbalanced heat shock protein (HSP", {}),
        ("MTX (methotrexate) was given", {"MTX": "methotrexate"}),
        ("PKD [the polycystic kidney\ndisease, adult]", {"PKD": "polycystic kidney disease"}),
        ("heat shock protein (HSP; see 2)", {"HSP": "heat shock protein"}),
        ("heat shock proteins (HSPs, n = 5)", {"HSPs": "heat shock proteins"}),
        (
            "growth factor beta (GF-β), GFB (growth factor β)",
            {"GF-β": "growth factor beta", "GFB": "growth factor β"},
        ),
        ("((a heat shock protein [HSP]) here)", {"HSP": "heat shock protein"}),
        ("renal mass (hereafter RM)", {"RM": "renal mass"}),
        ("CT (3 mm), MRI (not done)", {}),
    ],
)
def test_definitions_in_text(text: str, expected: dict[str, str]) -> None:
    assert find_abbreviations(text) == expected


@given(
    words=st.lists(
        st.text(alphabet="abcdeghiklmnoprstu", min_size=3, max_size=8), min_size=2, max_size=5
    )
)
def test_initials_are_traced_back_to_their_words(words: list[str]) -> None:
    short = "".join(word[0] for word in words).upper()
    (long,) = find_abbreviations(f"We saw {' '.join(words)} ({short}).").values()
    assert " ".join(words).endswith(long)
    assert long[0].upper() == short[0]
    letters = iter(long.upper())
    assert all(initial in letters for initial in short), "its letters occur in order"


@given(text=st.text(alphabet="aBc (,)[]-1", max_size=60))
def test_any_text_gives_long_forms_that_stand_in_it(text: str) -> None:
    for short, long in find_abbreviations(text).items():
        assert short in text and long in " ".join(text.split())
        assert len(long) > len(short)


@pytest.mark.parametrize("unit", ["(Fig 1) HSP ", "(((", "[(HSP)", "(a", "HSP (", "()", "x"])
def test_work_grows_with_the_text_alone(unit: str) -> None:
    def calls(text: str) -> int:
        return count_calls(lambda: find_abbreviations(text))

    assert calls(unit * 2000) <= 2.2 * calls(unit * 1000) + 50


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("WW is seen in VHL disease.", ["WW", "VHL"]),
        ("vHL, WWs and WW2 are others", []),
        ("(VHL)", ["VHL"]),
        ("Here von Hippel-Lindau (VHL) is defined", []),
    ],
)
def test_a_sentence_is_told_what_it_abbreviates_and_does_not_define(
    sentence: str, told: list[str]
) -> None:
    long_forms = {"WW": "warm water", "VHL": "von Hippel-Lindau", "c++": "see"}
    before = definitions_for(sentence, long_forms)
    assert before == "".join(definition(short, long_forms[short]) for short in told)
    assert find_abbreviations(before) == {short: long_forms[short] for short in told}
