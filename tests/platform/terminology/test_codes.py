"""Codes as people write them, search and the whole record, on the real server."""

from __future__ import annotations

import pytest

from bali_platform.base.errors import AmbiguousError, NotFoundError, UsageError
from bali_platform.terminology import Terminology

pytestmark = pytest.mark.services

INFARCTION = "C0000002"
WRITTEN = {
    "HP:0001658": "HPO:HP:0001658",
    "hp:0001658": "HPO:HP:0001658",
    "HP_0001658": "HPO:HP:0001658",
    "HPO:0001658": "HPO:HP:0001658",
    "HPO:HP:0001658": "HPO:HP:0001658",
    " HP : 0001658 ": "HPO:HP:0001658",
    "HP\u200b:0001658": "HPO:HP:0001658",
    "<http://purl.obolibrary.org/obo/HP_0001658>": "HPO:HP:0001658",
    "HTTP://purl.obolibrary.org/obo/HP_0001658": "HPO:HP:0001658",
    "http://human-phenotype-ontology.org|HP:0001658": "HPO:HP:0001658",
    "obo:HP_0001658": "HPO:HP:0001658",
    "https://hpo.jax.org/browse/term/HP:0001658": "HPO:HP:0001658",
    "MONDO:0005068": "MONDO:MONDO:0005068",
    "mondo:mondo:0005068": "MONDO:MONDO:0005068",
    "MONDO 0005068": "MONDO:MONDO:0005068",
    "D009203": "MSH:D009203",
    "d009203": "MSH:D009203",
    "MeSH:D009203": "MSH:D009203",
    "msh: d009203": "MSH:D009203",
    "http://id.nlm.nih.gov/mesh/D009203": "MSH:D009203",
    "https://identifiers.org/mesh:D009203": "MSH:D009203",
    "urn:oid:2.16.840.1.113883.6.177|D009203": "MSH:D009203",
    "urn:oid:2.16.840.1.113883.6.177:D009203": "MSH:D009203",
    "MSH/D009203": "MSH:D009203",
    "mesh-d009203": "MSH:D009203",
    "I21.9": "ICD10CM:I21.9",
    "i21.9": "ICD10CM:I21.9",
    "ICD-10-CM:I21.9": "ICD10CM:I21.9",
    "http://hl7.org/fhir/sid/icd-10-cm|I21.9": "ICD10CM:I21.9",
    "SCTID:22298006": "SNOMEDCT_US:22298006",
    "http://snomed.info/id/22298006": "SNOMEDCT_US:22298006",
    "http://snomed.info/sct|22298006": "SNOMEDCT_US:22298006",
    "c0000002": "UMLS:C0000002",
    "UMLS:C0000002": "UMLS:C0000002",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_codes_are_read_as_people_write_them(terms: Terminology, text: str) -> None:
    code = terms.resolve_code(text)
    assert (str(code), code.cui) == (WRITTEN[text], INFARCTION)
    assert terms.find(text).hits[0].cui == INFARCTION


def test_a_batch_keeps_order_and_says_what_is_wrong(terms: Terminology) -> None:
    asked = ["I21.9", "1191", "I219", "HP:1658", "LOINC:1-8", "D009204", "", "C9000002"]
    found = terms.resolve(asked)
    assert [each.asked for each in found] == asked
    assert [each.status for each in found] == ["found", "ambiguous", *["unknown"] * 6]
    assert [str(code) for code in found[1].codes] == ["ICD10CM:1191", "RXNORM:1191"]
    assert found[2].suggestions == ("ICD10CM:I21.9",)
    assert found[3].suggestions == ("HPO:HP:0001658",)
    assert "does not hold LNC" in found[4].message
    assert "MSH:D009203" in found[5].suggestions
    assert found[7].message == (
        "C9000002 is retired (deleted after 2023AA): nothing takes its place"
    )


def test_one_code_or_an_error(terms: Terminology) -> None:
    with pytest.raises(AmbiguousError, match=r"may be ICD10CM:1191 .* RXNORM:1191"):
        terms.resolve_code("1191")
    assert terms.resolve_code("1191", "rxnorm").name == "aspirin"
    with pytest.raises(NotFoundError, match="did you mean"):
        terms.resolve_code("I219")
    with pytest.raises(UsageError, match="did you mean 'MONDO'"):
        terms.resolve_code("1", "MOND")
    with pytest.raises(UsageError, match="does not hold LNC"):
        terms.source("http://loinc.org")


def test_a_retired_concept_leads_on(terms: Terminology) -> None:
    (found,) = terms.resolve(["C9000001"])
    assert found.codes[0].cui == INFARCTION
    assert "C9000001 is retired (merged after 2024AB)" in found.message
    history = terms.history("c9000001")
    assert (history.status, history.successors[0].cui) == ("merged", INFARCTION)
    assert terms.history(INFARCTION).status == "live"
    with pytest.raises(NotFoundError, match="no concept 'C1234567'"):
        terms.history("C1234567")


def test_the_concept_of_a_code_is_that_of_its_best_term(terms: Terminology) -> None:
    code = terms.resolve_code("MSH:D056988")
    assert (code.cui, code.others) == ("C0000003", ("C0000004",))


def test_validation(terms: Terminology) -> None:
    texts = ["D009203", "D009203", "D009203", "X1"]
    found = terms.validate(texts, "MSH", ["heart  ATTACK", "Fever", "", ""])
    assert [each.valid for each in found] == [True, False, True, False]
    assert found[1].message == (
        "'Fever' is no term of MSH:D009203: its best term is 'Myocardial Infarction'"
    )


def test_show(terms: Terminology) -> None:
    found = terms.show("HP:0001658")
    assert found.concept.cui == INFARCTION
    assert found.note == "HPO:HP:0001658 (Myocardial infarction) names it"
    rows = [(a.source, a.code, a.term_type, a.term) for a in found.atoms]
    assert ("MSH", "D009203", "ET", "Heart attack") in rows
    assert len(rows) == 7
    assert [(d.source, d.text) for d in found.definitions] == [("MSH", "Necrosis.")]
    assert [t.tui for t in found.semantic_types] == ["T047"]
    places = {place.source: place for place in found.positions}
    assert places["MSH"].parents == ("Heart Diseases",)
    assert places["SNOMEDCT_US"].children == 2
    assert "retired (merged" in terms.show("C9000001").note
    with pytest.raises(NotFoundError, match="nothing takes its place"):
        terms.show("C9000002")


def test_search_is_filtered(terms: Terminology) -> None:
    def cuis(text: str, **filters: list[str]) -> set[str]:
        return {hit.cui for hit in terms.find(text, **filters).hits}

    assert cuis("infarction", sources=["hp"]) == {INFARCTION}
    assert cuis("aspirin", groups=["chem"]) == {"C0000005"}
    assert cuis("aspirin", groups=["Disorder"]) == set()
    assert cuis("aspirin", types=["t121"]) == {"C0000005"}
    assert cuis("Herzinfarkt", languages=["ger"]) == {"C0000008"}
    assert cuis("Herzinfarkt", languages=["ENG"]) == set()
    assert cuis("D009203", sources=["ICD10CM"]) == {INFARCTION}
    assert cuis("D009203", sources=["RXNORM"]) == set()
    for filters in ({"groups": ["x"]}, {"types": ["x"]}, {"sources": ["x"]}):
        with pytest.raises(UsageError, match="no "):
            terms.find("a", **filters)


def test_search_says_what_matched_and_what_was_tried(terms: Terminology) -> None:
    assert terms.find("heart attack").hits[0].matched == "Heart attack"
    assert terms.find("hp:0001658").hits[0].matched == "Myocardial infarction"
    assert terms.find("aspirin").tried == ("by all words of a name",)
    nothing = terms.find("qqqq9")
    assert nothing.hits == []
    assert nothing.tried == (
        "as a CUI, and as a code of the vocabularies",
        "by all words of a name",
        "by misspelt words",
        "by any of the words",
        "no code 'qqqq9'",
    )


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"infarktion{n}" for n in range(25)),
        " ".join(f"word{n}" for n in range(2_000)),
        "x" * 40_000,
        'AND OR NOT && || ! ( ) { } [ ] ^ " ~ * ? : \\ / + -',
        "heart\0attack",
        '"',
        "\ud7ff \U0001f600 心",
    ],
)
def test_no_search_fails(terms: Terminology, text: str) -> None:
    terms.find(text)
