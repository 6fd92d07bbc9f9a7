"""Generated requests against the OpenAPI document: what the API says of itself holds."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

pytestmark = pytest.mark.services

EXAMPLES = 12
ENDLESS = "/events"
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_schema_conformance")  # fmt: skip


@pytest.fixture
def schema(server: str, api: httpx.Client) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{server}/openapi.json")


def test_the_document_explains_itself(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            assert operation["description"], (verb, path)
    assert document["components"]["schemas"]["CypherRequest"]["example"]["query"]
    assert document["components"]["schemas"]["Problem"]["example"]["type"]


def test_generated_requests_get_the_answers_that_are_described(schema) -> None:
    tried = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == ENDLESS:
            continue
        tried.add(operation.label)
        check_operation(operation)
    assert {"GET /subgraphs", "POST /cypher", "POST /jobs", "GET /jobs/{job_id}/events"} <= tried


def check_operation(operation: schemathesis.APIOperation) -> None:
    valid, invalid = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    strategy = operation.as_strategy(valid) | operation.as_strategy(invalid)
    checks = schemathesis.checks.CHECKS.get_by_names(list(CHECKS))

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=strategy)
    def try_one(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=checks, timeout=30)

    try_one()
