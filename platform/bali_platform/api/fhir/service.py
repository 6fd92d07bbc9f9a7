"""One interaction after another: which operation is meant, its answer, and batches of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bali_platform.api.fhir import capability, code_systems, concept_maps, value_sets
from bali_platform.api.fhir.inputs import Inputs, from_parameters, from_query
from bali_platform.api.fhir.outcomes import FhirError, Resource, to_fhir
from bali_platform.base.errors import BaliError
from bali_platform.terminology import Terminology

MAX_BATCH = 1_000
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Operation:
    """What is done with a resource type, and the parameters that it takes with their types."""

    wanted: Mapping[str, str]
    answer: Callable[[Terminology, Inputs, Mapping[str, str]], Resource]


def _plain(answer: Callable[[Terminology, Inputs], Resource]) -> Any:
    return lambda terms, inputs, saved: answer(terms, inputs)


OPERATIONS = {
    "CodeSystem": Operation({"url": "uri", "name": "string"}, _plain(code_systems.search)),
    "CodeSystem/$lookup": Operation(code_systems.LOOKUP, _plain(code_systems.lookup)),
    "CodeSystem/$validate-code": Operation(code_systems.VALIDATE, _plain(code_systems.validate)),
    "CodeSystem/$subsumes": Operation(code_systems.SUBSUMES, _plain(code_systems.subsumes)),
    "ValueSet/$expand": Operation(value_sets.EXPAND, value_sets.expand),
    "ValueSet/$validate-code": Operation(value_sets.VALIDATE, value_sets.validate),
    "ConceptMap/$translate": Operation(concept_maps.TRANSLATE, _plain(concept_maps.translate)),
}


class FhirService:
    """Answers for one graph; ``saved`` are the expressions of saved value sets, by name."""

    def __init__(self, terms: Terminology, saved: Mapping[str, str]) -> None:
        self._terms, self._saved = terms, saved

    def answer(self, method: str, path: str, query: Query, body: bytes) -> tuple[int, Resource]:
        """Return the HTTP status and the resource that answers a request; never raises for it."""
        try:
            if method == "POST" and not path:
                return 200, self._batch(_parsed(body))
            return 200, self._one(method, path, query, _parsed(body) if method == "POST" else None)
        except FhirError as error:
            return error.status, error.outcome
        except BaliError as error:
            told = to_fhir(error)
            return told.status, told.outcome

    def _one(self, method: str, path: str, query: Query, body: Any) -> Resource:
        if method == "GET" and path == "metadata":
            if dict(query).get("mode") == "terminology":
                return capability.terminology_capabilities(self._terms)
            return capability.capability_statement()
        kind, _, rest = path.partition("/")
        if method == "GET" and kind == "CodeSystem" and rest and not rest.startswith("$"):
            return code_systems.read(self._terms, rest)
        operation = OPERATIONS.get(path)
        if operation is None:
            known = ", ".join(["metadata", *OPERATIONS])
            raise FhirError(404, "not-supported", f"'{path[:100]}' is not supported: {known} are")
        if body is None:
            inputs = from_query(query, operation.wanted)
        else:
            inputs = from_parameters(body, operation.wanted)
        return operation.answer(self._terms, inputs, self._saved)

    def _batch(self, bundle: Any) -> Resource:
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
            raise FhirError(400, "structure", "the body must be a Bundle")
        if bundle.get("type") != "batch":
            raise FhirError(422, "not-supported", "only Bundles of type batch are answered")
        entries = bundle.get("entry", [])
        if not isinstance(entries, list):
            raise FhirError(400, "structure", "Bundle.entry must be a list")
        if len(entries) > MAX_BATCH:
            raise FhirError(422, "too-costly", f"a batch has at most {MAX_BATCH:,} entries")
        answers = [self._entry(entry) for entry in entries]
        found: Resource = {"resourceType": "Bundle", "type": "batch-response"}
        return {**found, "entry": answers} if answers else found

    def _entry(self, entry: Any) -> Resource:
        status, resource = self._entry_answer(entry)
        told: Resource = {"status": str(status)}
        return {"response": {**told, "outcome": resource}} if status >= 400 else {
            "resource": resource, "response": told
        }  # fmt: skip

    def _entry_answer(self, entry: Any) -> tuple[int, Resource]:
        request = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(request, dict) or not isinstance(request.get("url"), str):
            error = FhirError(400, "required", "a batch's entry needs request.method and .url")
            return error.status, error.outcome
        url = urlsplit(request["url"])
        query = parse_qsl(url.query, keep_blank_values=True)
        body = json.dumps(entry.get("resource")).encode()
        method, path = str(request.get("method")), url.path.strip("/")
        if method not in ("GET", "POST") or not path:
            error = FhirError(422, "not-supported", "a batch's entry is a GET or POST with a path")
            return error.status, error.outcome
        return self.answer(method, path, query, body)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:  # or no UTF-8
        raise FhirError(400, "structure", f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise FhirError(400, "structure", "the body is nested too deeply") from error
