"""Generated requests against the OpenAPI document: what the API says of itself holds."""

import subprocess
from importlib import import_module
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

pytestmark = pytest.mark.services

EXAMPLES = 12
ENDLESS = "/events"
GENERATOR = Path(__file__).parents[3] / "build/clients/bin/openapi-python-client"
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


@pytest.mark.clients
def test_a_generated_client_asks_and_is_told_what_is_wrong(
    api: httpx.Client, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not GENERATOR.exists():
        pytest.skip("no generator of clients: run `make build/clients`")
    document, config = tmp_path / "openapi.json", tmp_path / "config.json"
    document.write_text(api.get("/openapi.json").text, encoding="utf-8")
    config.write_text('{"post_hooks": []}', encoding="utf-8")  # they would format it, by ruff
    subprocess.run(
        [GENERATOR, "generate", "--path", document, "--output-path", tmp_path / "bali_client",
         "--meta", "none", "--config", config], check=True,
    )  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path)
    routes = import_module("bali_client.api.terminology.resolve_codes")
    maps = import_module("bali_client.api.terminology.map_codes")
    request = import_module("bali_client.models").MapRequest(codes=["C0000003"], targets=["MSH"])
    with import_module("bali_client").Client(base_url=f"{server}/v1") as client:
        found = routes.sync(client=client, code=["MSH:DC0000001"])
        mapped = maps.sync(client=client, body=request)
        problem = routes.sync(client=client, code=["DC0000001"], source="nope")
    assert [code.name for code in found.codes[0].codes] == ["Heart attack"]
    assert [(row.status, row.target_code) for row in mapped.rows] == [("mapped", "DC0000003")]
    assert "no vocabulary 'nope'" in problem.detail
