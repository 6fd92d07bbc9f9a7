"""FHIR's terminology operations over HTTP, every answer checked against FHIR's own model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from fhir.resources import get_fhir_model_class as r5_class
from fhir.resources.R4B import get_fhir_model_class

from bali_platform.api.app import create_app
from bali_platform.api.backend import Backend
from bali_platform.api.guard import Access
from bali_platform.base.settings import Settings

pytestmark = pytest.mark.services

MSH = "http://terminology.hl7.org/CodeSystem/MSH"
SNOMED = "http://snomed.info/sct"
MONDO = "http://purl.obolibrary.org/obo/MONDO_"
Answer = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def client(seeded: None, settings: Settings) -> Iterator[TestClient]:
    app = create_app(Backend(settings), Access(loopback=False))
    with TestClient(app) as client:
        while client.get("/fhir/CodeSystem/MSH").status_code == 503:
            time.sleep(0.1)
        yield client


def checked(response: Any) -> Answer:
    assert response.headers["content-type"].startswith("application/fhir+json")
    found = response.json()
    get_fhir_model_class(found["resourceType"]).model_validate(found)
    return response.status_code, found


@pytest.fixture
def get(client: TestClient):
    return lambda path, **query: checked(client.get(f"/fhir/{path}", params=query))


@pytest.fixture
def post(client: TestClient):
    def send(path: str, body: Any) -> Answer:
        return checked(client.post(f"/fhir{path}", json=body))

    return send


def inputs(**values: Any) -> dict[str, Any]:
    """Parameters of names with their type: ``code=("Code", "x")``."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name, "resource" if kind == "resource" else f"value{kind}": value}
            for name, (kind, value) in values.items()
        ],
    }


def value(found: dict[str, Any], name: str) -> Any:
    """The first value of a parameter."""
    entry = next((p for p in found["parameter"] if p["name"] == name), {})
    return next((v for key, v in entry.items() if key != "name"), None)


def codes(found: dict[str, Any]) -> list[str]:
    return [entry["code"] for entry in found["expansion"].get("contains", [])]


def trouble(answer: Answer) -> tuple[int, str]:
    status, found = answer
    assert found["resourceType"] == "OperationOutcome"
    return status, found["issue"][0]["code"]


def test_it_says_what_it_can_do(get) -> None:
    status, statement = get("metadata")
    assert (status, statement["fhirVersion"]) == (200, "4.0.1")
    for resource in statement["rest"][0]["resource"]:
        for operation in resource["operation"]:
            refused = get(f"{resource['type']}/${operation['name']}")
            assert trouble(refused)[1] != "not-supported"
    _, capabilities = get("metadata", mode="terminology")
    assert MSH in {system["uri"] for system in capabilities["codeSystem"]}


def test_vocabularies_are_code_systems(get) -> None:
    assert get("CodeSystem/MSH")[1]["url"] == MSH
    assert get("CodeSystem", url=SNOMED)[1]["entry"][0]["resource"]["id"] == "SNOMEDCT-US"
    assert get("CodeSystem")[1]["total"] == 6
    assert trouble(get("CodeSystem/NOPE")) == (404, "not-found")


def test_lookup_tells_everything_about_a_code(get, post) -> None:
    status, found = get("CodeSystem/$lookup", system=MSH, code="D009203")
    assert status == 200
    assert value(found, "display") == "Myocardial Infarction"
    parts = [p["part"] for p in found["parameter"] if p["name"] == "designation"]
    assert {part[-1]["valueString"] for part in parts} == {"Myocardial Infarction", "Heart attack"}
    properties = [
        (p["part"][0]["valueCode"], *(v for k, v in p["part"][1].items() if k != "name"))
        for p in found["parameter"]
        if p["name"] == "property"
    ]
    assert {("parent", "D006331"), ("child", "D056988"), ("cui", "C0000002")} <= set(properties)
    coding = {"system": MSH, "code": "D009203"}
    assert post("/CodeSystem/$lookup", inputs(coding=("Coding", coding))) == (200, found)
    only = get("CodeSystem/$lookup", system=MSH, code="D009203", property="parent")[1]
    assert [p["part"][0]["valueCode"] for p in only["parameter"] if p["name"] == "property"] == [
        "parent"
    ]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"url": MSH, "code": "D009203"}, True),
        ({"url": MSH, "code": "D009203", "display": "HEART ATTACK"}, True),
        ({"url": MSH, "code": "D009203", "display": "liver"}, False),
        ({"url": MSH, "code": "22298006"}, False),
        ({"url": SNOMED, "code": "22298006"}, True),
    ],
)
def test_codes_and_displays_are_validated(get, query: dict[str, str], wanted: bool) -> None:
    status, found = get("CodeSystem/$validate-code", **query)
    assert (status, value(found, "result")) == (200, wanted)
    assert wanted or value(found, "message")


def test_one_valid_coding_of_a_concept_is_enough(post) -> None:
    codings = [{"system": MSH, "code": "nope"}, {"system": SNOMED, "code": "22298006"}]
    concept = {"coding": codings}
    found = post("/CodeSystem/$validate-code", inputs(codeableConcept=("CodeableConcept", concept)))
    assert value(found[1], "result") is True
    assert value(found[1], "code") == "22298006"


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("D006331", "D056988", "subsumes"),
        ("D056988", "D006331", "subsumed-by"),
        ("D009203", "D009203", "equivalent"),
        ("D001241", "D009203", "not-subsumed"),
    ],
)
def test_subsumption(get, a: str, b: str, outcome: str) -> None:
    _, found = get("CodeSystem/$subsumes", system=MSH, codeA=a, codeB=b)
    assert value(found, "outcome") == outcome


def test_a_value_set_is_expanded_in_pages_filtered_and_nested(get) -> None:
    url = f"{MSH}?fhir_vs=isa/D006331"
    _, whole = get("ValueSet/$expand", url=url)
    assert codes(whole) == ["D006331", "D009203", "D056988"]
    pages = [get("ValueSet/$expand", url=url, count=1, offset=n)[1] for n in range(3)]
    assert [code for page in pages for code in codes(page)] == codes(whole)
    assert {page["expansion"]["total"] for page in pages} == {3}
    assert codes(get("ValueSet/$expand", url=url, filter="anterior")[1]) == ["D056988"]
    assert "contains" not in get("ValueSet/$expand", url=url, count=0)[1]["expansion"]
    (root,) = get("ValueSet/$expand", url=url, excludeNested="false")[1]["expansion"]["contains"]
    assert root["code"] == "D006331"
    assert root["contains"][0]["contains"][0]["code"] == "D056988"


def test_a_cycle_ends(get) -> None:
    url = f"{MONDO}?fhir_vs=isa/MONDO:0000006"
    _, found = get("ValueSet/$expand", url=url, excludeNested="false")
    assert found["expansion"]["total"] == 2


def test_what_is_sent_is_composed(post) -> None:
    include = [
        {"system": MSH, "filter": [{"property": "concept", "op": "is-a", "value": "D006331"}]},
        {"system": SNOMED, "concept": [{"code": "22298006"}]},
    ]
    exclude = [{"system": MSH, "concept": [{"code": "D009203"}]}]
    sent = {"resourceType": "ValueSet", "compose": {"include": include, "exclude": exclude}}
    _, found = post("/ValueSet/$expand", inputs(valueSet=("resource", sent)))
    assert codes(found) == ["D006331", "D056988", "22298006"]
    for code, within in (("D056988", True), ("D009203", False)):
        asked = inputs(valueSet=("resource", sent), system=("Uri", MSH), code=("Code", code))
        assert value(post("/ValueSet/$validate-code", asked)[1], "result") is within


def test_a_code_cannot_smuggle_an_expression(post) -> None:
    concept = [{"code": 'D009203" OR "SNOMEDCT_US:*'}]
    sent = {"compose": {"include": [{"system": MSH, "concept": concept}]}}
    answer = post(
        "/ValueSet/$expand", inputs(valueSet=("resource", {**sent, "resourceType": "ValueSet"}))
    )
    assert trouble(answer) == (404, "not-found")


def test_translation_by_concept_and_by_map_set(get) -> None:
    _, found = get("ConceptMap/$translate", system=MSH, code="D009203", targetsystem=SNOMED)
    match = value(found, "match")
    assert {part["name"]: part for part in match}["concept"]["valueCoding"]["code"] == "22298006"
    icd = "http://hl7.org/fhir/sid/icd-10-cm"
    _, ruled = get("ConceptMap/$translate", system=SNOMED, code="54329005", targetsystem=icd)
    assert value(ruled, "message") == "IF AGE < 18 CHOOSE I21; ALWAYS I21.9"
    matches = [p["part"] for p in ruled["parameter"] if p["name"] == "match"]
    assert [part[1]["valueCoding"]["code"] for part in matches] == ["I21", "I21.9"]
    _, none = get("ConceptMap/$translate", system=MSH, code="D001241", targetsystem=SNOMED)
    assert value(none, "result") is False and value(none, "message")


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("metadata", {}, "5.0.0"),
        ("metadata", {"mode": "terminology"}, "complete"),
        ("CodeSystem/$lookup", {"system": MSH, "code": "D009203"}, "Myocardial Infarction"),
        ("CodeSystem/MSH", {}, "not-present"),
        ("ValueSet/$expand", {"url": f"{MSH}?fhir_vs"}, "D009203"),
        (
            "ConceptMap/$translate",
            {"system": MSH, "sourceCode": "D009203", "targetSystem": SNOMED},
            "'relationship', 'valueCode': 'equivalent'",
        ),
        ("ConceptMap/$translate", {"system": MSH, "code": "D009203"}, "'code' is not supported"),
        ("ConceptMap/$translate", {"system": MSH, "sourceCode": "D009203"}, "'targetSystem' is"),
        (
            "ConceptMap/$translate",
            {"sourceCode": "D009203", "targetSystem": SNOMED},
            "'system' is required with sourceCode",
        ),
        (
            "ConceptMap/$translate",
            {"targetSystem": SNOMED},
            "give one of sourceCode, sourceCoding and sourceCodeableConcept",
        ),
        (
            "ConceptMap/$translate",
            {"system": MSH, "sourceCode": ["D009203", "D001241"], "targetSystem": SNOMED},
            "'sourceCode' is given 2 times",
        ),
    ],
)
def test_r5_is_answered_below_its_own_address(client: TestClient, path, query, wanted) -> None:
    response = client.get(f"/fhir/r5/{path}", params=query)
    assert response.headers["content-type"] == "application/fhir+json; fhirVersion=5.0"
    found = response.json()
    r5_class(found["resourceType"]).model_validate(found)
    assert wanted in str(found)


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("metadata", "CapabilityStatement", 200),
        (f"CodeSystem/$lookup?system={MSH}&code=D009203", "Parameters", 200),
        (f"ValueSet/$expand?url={MSH}?fhir_vs", "ValueSet", 200),
        (f"CodeSystem/$lookup?system={MSH}&code=none", "OperationOutcome", 404),
    ],
)
def test_xml_says_what_json_says(client: TestClient, path: str, kind: str, status: int) -> None:
    written = client.get(f"/fhir/{path}", headers={"Accept": "application/fhir+xml"})
    assert written.status_code == status
    assert written.headers["content-type"].startswith("application/fhir+xml")
    model = get_fhir_model_class(kind)
    browser = {"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"}
    assert client.get(f"/fhir/{path}", headers=browser).json()["resourceType"] == kind
    said = model.model_validate(client.get(f"/fhir/{path}").json()).model_dump()
    found = model.model_validate_xml(written.content).model_dump()
    for each in (said, found):  # an expansion has a number and a time of its own
        each.get("expansion", {}).update(identifier="", timestamp="")
    assert found == said


def test_a_batch_answers_each_entry(post) -> None:
    lookups = [
        {"request": {"method": "GET", "url": f"CodeSystem/$lookup?system={MSH}&code={code}"}}
        for code in ("D009203", "nope")
    ]
    sent = {"request": {"method": "POST", "url": "CodeSystem/$subsumes"}, "resource": inputs(
        system=("Uri", MSH), codeA=("Code", "D006331"), codeB=("Code", "D009203"))}  # fmt: skip
    body = {"resourceType": "Bundle", "type": "batch", "entry": [*lookups, sent, {"request": {}}]}
    _, found = post("", body)
    told = [entry["response"]["status"] for entry in found["entry"]]
    assert told == ["200", "404", "200", "400"]
    assert value(found["entry"][2]["resource"], "outcome") == "subsumes"


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("CodeSystem/$lookup", {"code": "D009203"}, (400, "required")),
        ("CodeSystem/$lookup", {"system": "http://no.where", "code": "x"}, (404, "not-found")),
        ("CodeSystem/$lookup", {"system": MSH, "code": "x"}, (404, "not-found")),
        ("CodeSystem/$lookup", {"system": MSH, "code": "x", "coed": "y"}, (400, "not-supported")),
        ("CodeSystem/$lookup", {"coding": "x"}, (400, "invalid")),
        ("CodeSystem/$subsumes", {"system": MSH, "codeA": "D009203"}, (400, "required")),
        ("ValueSet/$expand", {"url": "http://no.where/vs"}, (404, "not-found")),
        ("ValueSet/$expand", {"url": f"{MSH}?fhir_vs", "count": "many"}, (400, "invalid")),
        ("ValueSet/$expand", {"url": f"{MSH}?fhir_vs", "count": "-1"}, (400, "invalid")),
        ("ValueSet/$expand", {"url": f"{MSH}?fhir_vs", "count": "3000000000"}, (400, "invalid")),
        ("ValueSet/$expand", {"url": f"{MSH}?fhir_vs", "date": "today"}, (400, "invalid")),
        ("ValueSet/$expand", {"url": f"{MSH}?fhir_vs=ecl/<< (", "count": "5"}, (422, "processing")),
        ("ValueSet/$expand", {"url": "urn:bali:value-set:none"}, (404, "not-found")),
        ("ConceptMap/$translate", {"system": MSH, "code": "D009203"}, (400, "required")),
        ("Patient/1", {}, (404, "not-supported")),
        ("metadata", {"_format": "turtle"}, (406, "not-supported")),
    ],
)
def test_bad_questions_are_told_why(get, path: str, query: dict[str, str], wanted) -> None:
    assert trouble(get(path, **query)) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (inputs(code=("Integer", 3), system=("Uri", MSH)), (400, "invalid")),
        (inputs(code=("Code", 3), system=("Uri", MSH)), (400, "invalid")),
        (inputs(coding=("Coding", {"system": 3, "code": ["x"]})), (400, "invalid")),
        ({"resourceType": "Patient"}, (400, "structure")),
        ({"resourceType": "Parameters", "parameter": "x"}, (400, "structure")),
        ([], (400, "structure")),
    ],
)
def test_bad_bodies_are_told_why(post, body: Any, wanted: tuple[int, str]) -> None:
    assert trouble(post("/CodeSystem/$lookup", body)) == wanted


@pytest.mark.parametrize("given", [{"system": MSH, "concept": [{"code": ["x"]}]}, {"system": 3}])
def test_values_of_a_sent_value_set_are_text(post, given: dict[str, Any]) -> None:
    sent = {"resourceType": "ValueSet", "compose": {"include": [given]}}
    body = {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": sent}]}
    assert trouble(post("/ValueSet/$expand", body)) == (400, "invalid")


@pytest.mark.parametrize("page", [{}, {"count": "1000000"}])
def test_an_expansion_that_is_too_large_says_how_to_ask(get, monkeypatch, page) -> None:
    monkeypatch.setattr("bali_platform.api.fhir.value_sets.MAX_WHOLE", 2)
    answer = get("ValueSet/$expand", url=f"{MSH}?fhir_vs", **page)
    assert trouble(answer) == (422, "too-costly")
    assert "count and offset" in answer[1]["issue"][0]["diagnostics"]
