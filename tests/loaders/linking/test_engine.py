"""Whole documents linked: names over breaks, abbreviations, meanings, filters, context."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.counting import count_calls

from bali_loaders.linking import (
    PRESETS,
    LinkOptions,
    TextLinker,
    compile_dictionary,
    compile_facts,
)
from bali_platform.base.errors import UsageError

CONCEPTS: list[tuple[str, tuple[str, ...], str, str, list[str]]] = [
    ("C01", ("Myocardial infarction", "heart attack"), "Disease", "Disorder", []),
    ("C02", ("Cancer",), "Disease", "Disorder", []),
    ("C03", ("Rheumatoid arthritis", "RA"), "Disease", "Disorder", []),
    ("C04", ("Congestive heart failure", "CHF"), "Disease", "Disorder", []),
    ("C05", ("Heart failure", "Congestive heart failure"), "Disease", "Disorder", []),
    ("C06", ("Fever",), "Finding", "Disorder", []),
    ("C07", ("Cough",), "Finding", "Disorder", []),
    ("C08", ("Cold temperature", "Cold snap"), "Phenomenon", "Phenomenon", []),
    ("C09", ("Common cold", "Cold snap"), "Disease", "Disorder", ["C06", "C07"]),
    ("C10", ("Aspirin",), "Drug", "ChemicalOrDrug", []),
    ("C11", ("polycystic kidney disease",), "Disease", "Disorder", []),
    ("C12", ("plan-associated dystrophy", "PLAN"), "Disease", "Disorder", []),
    ("C13", ("Dyspnea", "shortness of breath"), "Finding", "Disorder", []),
    ("C14", ("Pneumonia",), "Disease", "Disorder", []),
    ("C15", ("Asthma",), "Disease", "Disorder", []),
    ("C16", ("Lung",), "Organ", "Anatomy", []),
    ("C17", ("lung neoplasm", "lung"), "Disease", "Disorder", []),
    ("C18", ("Suicidal ideation",), "Behavior", "Activity", []),
    ("C19", ("Rib fracture", "Fracture, rib"), "Disease", "Disorder", []),
    ("C20", ("Sunstroke", "Siriasis"), "Disease", "Disorder", []),
    ("C21", ("Heat injury", "Siriasis"), "Event", "Phenomenon", []),
]


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> TextLinker:
    folder = tmp_path_factory.mktemp("linking")
    names = [(cui, names) for cui, names, *_ in CONCEPTS]
    rows: list[dict[str, Any]] = [
        {
            "cui": cui,
            "name": names[0],
            "types": [kind],
            "groups": [group],
            "sources": ["S"],
            "neighbours": near,
            "same": ["C21"] if cui == "C20" else [],
        }
        for cui, names, kind, group, near in CONCEPTS
    ]
    dictionary = compile_dictionary(names, folder / "names", graph_version="g")
    return TextLinker(dictionary, compile_facts(rows, folder / "facts"), PRESETS["clinical"])


def found(linker: TextLinker, text: str) -> list[tuple[str, str]]:
    return [(text[m.start : m.end], m.cui) for m in linker.link(text)]


def said(linker: TextLinker, text: str) -> dict[str, tuple[str, ...]]:
    return {text[m.start : m.end]: m.attributes for m in linker.link(text)}


@pytest.mark.parametrize(
    "between", ["\n", "\r\n", "\v", "\f", "\u2028", "\x85", "\u200b", "\xa0", "\n   "]
)
def test_no_break_inside_a_name_hides_it(linker: TextLinker, between: str) -> None:
    text = f"prior heart{between}attack, can-\ncer, asp\xadirin"
    assert found(linker, text) == [
        (f"heart{between}attack", "C01"),
        ("can-\ncer", "C02"),
        ("asp\xadirin", "C10"),
    ]


@pytest.mark.parametrize("text", ["heart\n\nattack", "heart\n- attack", "heart; attack"])
def test_no_name_goes_across_blocks(linker: TextLinker, text: str) -> None:
    assert found(linker, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PKD (polycystic kidney disease). PKD grew.", ["C11"] * 3),
        ("polycystic kidney disease (PKD, n = 5), PKDs", ["C11"] * 3),
        ("sat 98% on RA", []),
        ("RA, on methotrexate for her joints", ["C03"]),
        ("room air (RA) then RA, joint", []),
        ("PLAN: rest. The PLAN stands", []),
        ("chf, SOB", ["C04", "C13"]),
        ("a cold snap, but she has a cold", ["C09"]),
        ("[**Aspirin 3**] ___ <NAME> fever", ["C06"]),
        ("aspirin 81 mg", ["C10"]),
        ("seen at the Cancer Center, with cancer", ["C02"]),
        ("Asthma Foundation; asthma clinic", ["C15"]),
        ("Lung clear, lungs too, LUNG NEOPLASM", ["C17"]),
        ("denies SI", ["C18"]),
        ("clavicle fracture, rib fractures", ["C19"]),
        ("fracture, rib; ASA 3", ["C19"]),
    ],
)
def test_abbreviations_mean_what_the_note_says(
    linker: TextLinker, text: str, expected: list[str]
) -> None:
    assert [cui for _, cui in found(linker, text)] == expected


PIECES = (
    "heart attack", "Heart\n", "attack", "- ", "No ", "asthma", ": no", "?", ".", "\n", "\r", "-\n",
    "Dr", "fever", "no\t", ", rib ", "+ ",
    "FAMILY HISTORY:", "(", ")", "[ ]", "[**", "**]", "RA", "joint", " ", "Feverr",
    "since ", "2015", "\u3000", "\ufeff", "\xad", "room air (RA)", "癌", "x" * 200,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), max_size=4))
def test_what_is_linked_together_is_linked_as_if_alone(
    linker: TextLinker, texts: list[str]
) -> None:
    assert linker.link_all(texts) == [linker.link_all([text])[0] for text in texts]


def test_twins_are_one_answer_and_context_decides_between_others(linker: TextLinker) -> None:
    (twin,) = linker.link("congestive heart failure")
    assert (twin.cui, twin.alternatives, twin.score) == ("C04", ("C05",), 0.6)
    everything = TextLinker(linker.dictionary, linker.facts, LinkOptions())
    assert found(everything, "fever, cough, cold snap")[-1] == ("cold snap", "C09")
    scores = [m.score for m in everything.link("myocardial infarction, heart attack")]
    assert twin.score < scores[1] < scores[0]
    sure = TextLinker(linker.dictionary, linker.facts, LinkOptions(nil=0.9))
    (linked,) = sure.link_all(["a cold snap"])
    assert not linked.mentions
    assert set(linked.omitted[0].candidates) == {"C08", "C09"}


def test_choices_are_told_in_the_same_words_by_every_process() -> None:
    groups = [f"Group {number}" for number in range(40)]
    assert str(sorted(groups)) in repr(LinkOptions(groups=frozenset(groups)))
    assert repr(LinkOptions(min_length=3)) != repr(LinkOptions())


def test_what_a_source_says_is_the_same_is_one_answer(linker: TextLinker) -> None:
    own = replace(linker, options=PRESETS["literature"])
    answers = {m.start: (m.cui, m.alternatives, m.score) for m in own.link("sunstroke, siriasis")}
    assert answers == {0: ("C20", ("C21",), 0.96), 11: ("C20", ("C21",), 0.6)}


def test_filters_leave_out_what_they_name(linker: TextLinker) -> None:
    def kept(**options: Any) -> list[str]:
        own = TextLinker(linker.dictionary, linker.facts, LinkOptions(**options))
        return [cui for _, cui in found(own, "aspirin, fever, asthma, SI")]

    assert kept(groups=frozenset({"chemicalordrug"})) == ["C10"]
    assert kept(types=frozenset({"Finding"})) == ["C06"]
    assert kept(min_length=6) == ["C10", "C15"]
    assert kept(clinical=True, groups=frozenset({"Disorder"})) == ["C06", "C15"]
    assert kept(stop_names=frozenset({"Aspirin"})) == ["C06", "C15"]
    with pytest.raises(UsageError, match="Findin"):
        kept(types=frozenset({"Findin"}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Denies fever, cough, or asthma but has pneumonia.", "negated negated negated -"),
        ("No fever. Cough.", "negated -"),
        ("Fever was ruled out; cough", "negated -"),
        ("Possible pneumonia. Asthma is unlikely. ?cough", "uncertain uncertain uncertain"),
        ("h/o pneumonia, heart attack, p/w fever", "historical historical -"),
        ("h/o CHF, pneumonia", "- historical"),
        ("PMH: asthma, CHF, heart attack\nPE: fever", "- - historical -"),
        ("Past pulmonary hx: pneumonia", "historical"),
        ("Cough s/p aspirin. No prior pneumonia.", "historical - negated"),
        ("Pneumonia in 2015, cough", "historical -"),
        ("Pneumonia, resolved. Asthma since 2015", "historical -"),
        ("Tried: aspirin (cough), RA", "historical historical"),
        ("Mother with asthma; he has fever.", "family -"),
        ("FH: asthma\nPE: fever", "family -"),
        ("FAMILY HISTORY:\nasthma\ncough\nEXAM: fever", "family family -"),
        ("Return if fever or cough.", "hypothetical hypothetical"),
        ("Cannot exclude pneumonia", "uncertain"),
        ("- no fever\n- cough", "negated -"),
        ("Tests were negative for pneumonia.", "negated"),
        ("Fever (no chills), cough, asthma (-).", "- - negated"),
        ("Fever: no\nCough: yes\nAsthma - denied", "negated - negated"),
        ("Fever -, cough +, asthma neg", "negated - negated"),
        ("Asthma - negative chest film. [ ] cough [x] fever", "- negated -"),
        ("DDx: pneumonia (unlikely), asthma.", "uncertain uncertain"),
        ("Pneumonia remains a possibility.", "uncertain"),
        ("Mom reports fever", "-"),
        ("No fever, + cough, - asthma", "negated - negated"),
        ("CV: no fever     RESP: cough | asthma", "negated - -"),
        ("VS T 38, fever", "-"),
        ("Continue?\nAspirin ?cough ? fever", "- uncertain uncertain"),
        ("Aspirin if fever", "hypothetical hypothetical"),
        ("INSTRUCTIONS: aspirin. Call for fever", "- hypothetical"),
        ("No fever if you have asthma", "negated hypothetical"),
        ("Pneumonia ppx aspirin", "hypothetical -"),
        ("RESOLVED PROBLEMS\npneumonia\nPLAN: aspirin", "historical -"),
        ("Did not tolerate aspirin; pmh pneumonia", "historical historical"),
        ("Past history\n2011  pneumonia\n2013 asthma", "historical -"),
        ("In hospital in 2014 for pneumonia; two week history of cough", "historical -"),
        ("Pneumonia in July treated with aspirin", "historical historical"),
        ("Aspirin was stopped due to cough", "historical historical"),
        ("Pneumonia is not entirely excluded. Asthma, possible.", "uncertain uncertain"),
        ("Cultures neg, aspirin. Cough 2 days: fever none.", "- - negated"),
        ("Without aspirin there is fever; nobody with asthma", "negated - negated"),
        ("Asthma (father), cough told to parents. Her sister has CHF.", "family - family"),
        ("Risks incl. fever. Come to the ER for cough", "hypothetical hypothetical"),
        ("ROS: (+) cough, (-) fever, (-) dyspnea", "- negated negated"),
        ("Asthma –, fever –, cough +", "negated negated -"),
        ("☐ asthma  ☒ fever  ☐ cough", "negated - negated"),
        ("asthma N   fever Y   cough N", "negated - negated"),
        ("fever [ ] yes [x] no   cough [x] yes [ ] no", "negated -"),
        ("Fever: (+)    cough (-)", "- negated"),
        ("Exclusion of pneumonia. Fever did not occur.", "negated negated"),
        ("? viral pneumonia  D/D asthma", "uncertain uncertain"),
        ("It is possible that she has asthma. Cancer must be considered.", "uncertain uncertain"),
        ("Mum is worried about pneumonia. Cancer needs excluding.", "uncertain uncertain"),
        (
            "Problem     Since   Status\nPneumonia   1995    Resolved\nAsthma      2008    Active",
            "historical -",
        ),
        (
            "Active: asthma\nInactive: 1994 pneumonia; cancer\nPlan: aspirin",
            "- historical historical -",
        ),
        ("Cancer 15 years ago, cough. Asthma as child.", "historical - historical"),
        ("Pneumonia in the nineties. Cough started two years ago.", "historical -"),
        ("Condition after pneumonia", "historical"),
        (
            "FAMILY TREE\nFather   d. 66   cancer\nBro 1    60      asthma\n\nPLAN: aspirin",
            "family family -",
        ),
        ("Lives w/ husband, who has asthma and cough. Bro with fever.", "family family family"),
        ("Aspirin: hold if cough", "- hypothetical"),
        ("In case of fever stop aspirin", "hypothetical -"),
        ("Risks: fever, cough", "hypothetical hypothetical"),
        ("Were he to have fever, come back", "hypothetical"),
        ("I have warned her about fever. Cover against pneumonia.", "hypothetical hypothetical"),
        ("Fever screen: NEGATIVE     cough screen: POSITIVE", "negated -"),
        ("Cough likely asthma. Pneumonia, likely.", "- uncertain uncertain"),
        ("neg for fever or cough\npmh sig for asthma", "negated negated -"),
        ("Pneumonia hx. Failed aspirin (cough) in past", "historical historical historical"),
        ("Aspirin     pneumonia prevention", "- hypothetical"),
    ],
)
def test_what_is_said_of_a_mention(linker: TextLinker, text: str, expected: str) -> None:
    assert [" ".join(own) or "-" for own in said(linker, text).values()] == expected.split()


PIECES = """fever|no cough|CHF|PMH:|- |1. |[**x**]|(RA)|heart attack|(|aspirin.|\u200b|é|𝒳|can-
cer|MEDS:
"""
STYLES = st.lists(
    st.sampled_from(PIECES.split("|")) | st.sampled_from("\n\r \f\0"), max_size=25
).map(" ".join)


@given(STYLES)
def test_offsets_are_those_of_the_original(linker: TextLinker, text: str) -> None:
    mentions = linker.link(text)
    for mention in mentions:
        assert text[mention.start : mention.end].strip() == text[mention.start : mention.end] != ""
    assert all(one.end <= two.start for one, two in pairwise(mentions))
    both = linker.link_all(["fever (RA)", text])
    assert both[1].mentions == mentions, "a document knows nothing of others"


def test_stop_names_of_the_user_stop_words_of_the_tables_too(linker: TextLinker) -> None:
    options = replace(PRESETS["clinical"], stop_names=frozenset({"fever"}))
    assert found(TextLinker(linker.dictionary, linker.facts, options), "fever, cough") == [
        ("cough", "C07")
    ]


@pytest.mark.parametrize("unit", ["(RA) ", "fever\n", "x", "漢", "QUJD", "[[(", ". ", "no fever, "])
def test_work_grows_with_the_text_alone(linker: TextLinker, unit: str) -> None:
    def calls(text: str) -> int:
        return count_calls(lambda: linker.link(text))

    linker.link(unit)
    assert calls(unit * 800) <= 2.3 * calls(unit * 400) + 500
