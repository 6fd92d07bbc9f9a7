"""Hierarchies, maps and value sets on the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from bali_platform.base.errors import NotFoundError, TooLargeError, UsageError
from bali_platform.terminology import Terminology, value_sets
from bali_platform.terminology.saved import SavedSets, changes

pytestmark = pytest.mark.services


def codes(members) -> list[tuple[str, int]]:
    return [(member.code, member.steps) for member in members]


def test_one_vocabulary_is_followed(terms: Terminology) -> None:
    found = terms.ancestors("MSH:D056988")
    assert codes(found.members) == [("D009203", 1), ("D006331", 2)]
    assert (found.basis, found.source, found.cycles) == ("relations", "MSH", ())
    assert codes(terms.descendants("MSH:D006331").members) == [("D009203", 1), ("D056988", 2)]
    assert codes(terms.descendants("MSH:D006331", depth=1).members) == [("D009203", 1)]
    with pytest.raises(UsageError, match="at least 1"):
        terms.descendants("MSH:D006331", depth=0)


def test_atoms_are_followed_where_they_are_joined(terms: Terminology) -> None:
    found = terms.descendants("56265001", "SNOMEDCT_US")
    assert found.basis == "MRHIER"
    assert codes(found.members) == [("22298006", 1), ("401303003", 2), ("54329005", 2)]
    above = terms.ancestors("SCTID:401303003")
    assert codes(above.members) == [("22298006", 1), ("56265001", 2)]
    assert codes(terms.siblings("SCTID:54329005").members) == [("401303003", 1)]


def test_a_cycle_is_told_and_ends(terms: Terminology) -> None:
    found = terms.ancestors("MONDO:0000006")
    assert codes(found.members) == [("MONDO:0000007", 1)]
    assert found.cycles == (("C0000006", "C0000007", "C0000006"),)
    assert terms.subsumes("MONDO:0000006", "MONDO:0000007").outcome == "subsumes"


def test_subsumption(terms: Terminology) -> None:
    pairs = [
        ("MSH:D006331", "MSH:D056988"),
        ("MSH:D056988", "MSH:D006331"),
        ("MSH:D056988", "msh:d056988"),
        ("MSH:D056988", "MSH:D001241"),
        ("SCTID:56265001", "SCTID:54329005"),
    ]
    outcomes = [found.outcome for found in terms.subsumes_each(pairs)]
    assert outcomes == ["subsumes", "subsumed-by", "equivalent", "not-subsumed", "subsumes"]
    with pytest.raises(UsageError, match="two vocabularies"):
        terms.subsumes("MSH:D006331", "HP:0001658")
    with pytest.raises(UsageError, match="many vocabularies"):
        terms.subsumes("C0000001", "C0000002")


def test_maps(terms: Terminology) -> None:
    asked = ["MONDO:0005068", "MONDO:0009999", "MONDO:1", "MONDO:0005267"]
    rows = list(terms.map_codes(asked, "MONDO", ["MSH", "ICD10CM"]))
    assert [(r.asked, r.status, r.target, r.target_code, r.relation, r.method) for r in rows] == [
        ("MONDO:0005068", "ambiguous", "MSH", "D009203", "skos:exactMatch", "concept"),
        ("MONDO:0005068", "ambiguous", "ICD10CM", "I21.9", "skos:exactMatch", "concept"),
        ("MONDO:0009999", "mapped", "MSH", "D056988", "skos:closeMatch", "concept"),
        ("MONDO:1", "unknown", "", "", "", ""),
        ("MONDO:0005267", "mapped", "MSH", "D006331", "skos:exactMatch", "concept"),
    ]
    assert {row.release for row in rows} == {"2026AA"}


def test_maps_by_rule_and_by_ancestor(terms: Terminology) -> None:
    rows = list(terms.map_codes(["54329005"], "SNOMEDCT_US", ["ICD10CM"]))
    assert [(r.target_code, r.method, r.group, r.rank, r.rule, r.status) for r in rows] == [
        ("I21", "rule", "1", "1", "IFA 445518008", "ambiguous"),
        ("I21.9", "rule", "1", "2", "TRUE", "ambiguous"),
    ]
    assert [row.advice for row in rows] == ["IF AGE < 18 CHOOSE I21", "ALWAYS I21.9"]
    asked = ["401303003", "56265001"]
    rows = list(terms.map_codes(asked, "SNOMEDCT_US", ["HPO"], ancestors=True))
    assert [(r.target_code, r.method, r.steps, r.relation, r.status) for r in rows] == [
        ("HP:0001658", "ancestor", 1, "skos:broadMatch", "mapped"),
        ("", "", 0, "", "unmapped"),
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MSH:D009203", {"D009203"}),
        ("<< MSH:D009203", {"D009203", "D056988"}),
        ("< MSH:D006331 |Heart Diseases|", {"D009203", "D056988"}),
        ("<! MSH:D006331", {"D009203"}),
        ("<<! MSH:D006331", {"D006331", "D009203"}),
        ("> MSH:D056988", {"D009203", "D006331"}),
        (">>! MSH:D056988", {"D056988", "D009203"}),
        ("<< MSH:D006331 MINUS << MSH:D056988 /* the front wall */", {"D006331", "D009203"}),
        ("<< MSH:D006331 AND >> MSH:D009203", {"D006331", "D009203"}),
        ("(MSH:D009203 or I21.9) minus I21.9", {"D009203"}),
        ("MSH:* {{ group = Disorder }}", {"D006331", "D009203", "D056988"}),
        ("MSH:* {{ type != (T047) }}", {"D001241"}),
        ("(MSH:* OR RXNORM:*) {{ source = rxnorm }}", {"1191"}),
        ('MSH:* {{ term = "infarc wall", group = (DISO CHEM) }}', {"D056988"}),
        ("^hearts AND MSH:D009203", {"D009203"}),
        ("C0000002", {"C0000002"}),
    ],
)
def test_value_sets(terms: Terminology, expression: str, expected: set[str]) -> None:
    found = terms.expand(expression, saved={"hearts": "<< MSH:D006331"})
    assert {member.code for member in found.members} == expected
    assert (found.total, found.release) == (len(expected), "2026AA")


def test_value_sets_in_pages(terms: Terminology) -> None:
    pages = [terms.expand("MSH:*", limit=3, skip=skip) for skip in (0, 3, 6)]
    assert [len(page.members) for page in pages] == [3, 1, 0]
    assert {page.total for page in pages} == {4}


def test_value_sets_that_are_none(terms: Terminology, monkeypatch: pytest.MonkeyPatch) -> None:
    for expression, why in {
        "< C0000002": "many hierarchies",
        "^loop": "made of itself",
        "< MSH:*": "nothing around it",
        "1191": "say which",
    }.items():
        with pytest.raises(UsageError, match=why):
            terms.expand(expression, saved={"loop": "^loop"})
    with pytest.raises(NotFoundError, match="did you mean 'heart'"):
        terms.expand("^hart", saved={"heart": "MSH:D009203"})
    with pytest.raises(TooLargeError, match="all of the graph, "):
        terms.expand("*")
    monkeypatch.setattr(value_sets, "MAX_CODES", 2)
    with pytest.raises(TooLargeError, match=r"MSH:\*: 4 codes, more than 2"):
        terms.expand("MSH:*")
    with pytest.raises(TooLargeError, match="3 codes"):
        terms.expand("<< MSH:D006331")
    assert terms.expand("MSH:*", limit=1).total == 4


def test_saved_value_sets(terms: Terminology, tmp_path: Path) -> None:
    sets = SavedSets(tmp_path)
    sets.save("hearts", terms.expand("<< MSH:D006331"))
    assert dict(sets) == {"hearts": "<< MSH:D006331"}
    change = changes(sets.read("hearts"), terms.expand("MSH:D009203 OR I21.9"))
    assert [member.code for member in change.added] == ["I21.9"]
    assert [member.code for member in change.removed] == ["D006331", "D056988"]
    assert change.renamed == ()
    with pytest.raises(NotFoundError, match="did you mean 'hearts'"):
        sets.read("heart")
    with pytest.raises(UsageError, match="use letters"):
        sets.save("../x", terms.expand("I21.9"))
    sets.remove("hearts")
    assert not sets
