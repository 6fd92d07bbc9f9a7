from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.loaders.umls.small import documentation, inverse

from bali_loaders.umls.transform.relations import Relation, Relations, type_name, type_names

RELATIONS = Relations(documentation())


@pytest.mark.parametrize(
    ("rel", "rela", "expected"),
    [
        ("CHD", "isa", Relation("isa", True, False, False, "PAR")),
        ("PAR", "inverse_isa", Relation("isa", True, False, True, "CHD")),
        ("RO", "part_of", Relation("has_part", True, False, True, "RO")),
        ("RO", "has_part", Relation("has_part", True, False, False, "RO")),
        ("PAR", "", Relation("CHD", False, False, True, "CHD")),
        ("RB", "", Relation("RN", False, False, True, "RN")),
        ("RN", "", Relation("RN", False, False, False, "RB")),
        ("RQ", "", Relation("RQ", False, True, False, "RQ")),
        ("RN", "sibling_in", Relation("sibling_in", True, True, False, "RB")),
        ("RO", "never_heard_of", Relation("never_heard_of", True, False, False, "RO")),
        ("XR", "", Relation("XR", False, False, False, "XR")),
    ],
)
def test_canonical(rel: str, rela: str, expected: Relation) -> None:
    assert RELATIONS.canonical(rel, rela) == expected


def test_inverse_stated_one_way_only_holds_both_ways() -> None:
    relations = Relations([inverse("causes", "caused_by")])
    assert relations.canonical("RO", "causes").name == "caused_by"
    assert relations.canonical("RO", "caused_by") == Relation("caused_by", True, False, False, "RO")


@given(st.text())
def test_any_text_becomes_a_plain_type(name: str) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", type_name(name))


@given(st.sets(st.tuples(st.text(max_size=4), st.booleans()), max_size=20))
def test_distinct_relations_get_distinct_types(names: set[tuple[str, bool]]) -> None:
    assert len(set(type_names(names).values())) == len(names)


def test_plainer_name_keeps_the_short_type() -> None:
    named = type_names([("has-part", True), ("has_part", True), ("Has_Part", True)])
    assert named["Has_Part", True] == "HAS_PART"
    assert re.fullmatch(r"HAS_PART_[0-9A-F]{8}", named["has-part", True])
    assert type_names([("sy", True), ("SY", False)])["SY", False] == "SY"


def test_structural_types_are_never_taken() -> None:
    assert type_names([("has_atom", True)])["has_atom", True] != "HAS_ATOM"


def test_types_do_not_depend_on_what_else_clashes() -> None:
    one = type_names([("has-part", True), ("has_part", True)])
    more = type_names([("has-part", True), ("has_part", True), ("has part", True)])
    assert more.items() >= one.items()
