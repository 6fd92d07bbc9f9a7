"""One interaction after another: which operation is meant, its answer, and batches of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from anyio import to_thread

from bali_platform.api.asking import Desk
from bali_platform.api.fhir import capability, code_systems, concept_maps, r5, value_sets
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
    answer: Callable[[Desk, Inputs, Mapping[str, str]], Awaitable[Resource]]


def _by_code(answer: Callable[[Desk, Inputs], Awaitable[Resource]]) -> Any:
    return lambda desk, inputs, saved: answer(desk, inputs)


def _in_thread(answer: Callable[[Terminology, Inputs, Mapping[str, str]], Resource]) -> Any:
    return lambda desk, inputs, saved: to_thread.run_sync(answer, desk.terms, inputs, saved)


@dataclass(frozen=True)
class Release:
    """A release of FHIR, and its operations here, by their path."""

    version: str
    operations: Mapping[str, Operation]


_OPERATIONS = {
    "CodeSystem": Operation({"url": "uri", "name": "string"}, _in_thread(code_systems.search)),
    "CodeSystem/$lookup": Operation(code_systems.LOOKUP, _by_code(code_systems.lookup)),
    "CodeSystem/$validate-code": Operation(code_systems.VALIDATE, _by_code(code_systems.validate)),
    "CodeSystem/$subsumes": Operation(code_systems.SUBSUMES, _by_code(code_systems.subsumes)),
    "ValueSet/$expand": Operation(value_sets.EXPAND, _in_thread(value_sets.expand)),
    "ValueSet/$validate-code": Operation(value_sets.VALIDATE, _in_thread(value_sets.validate)),
    "ConceptMap/$translate": Operation(concept_maps.TRANSLATE, _by_code(concept_maps.translate)),
}
R4 = Release("4.0.1", _OPERATIONS)
R5 = Release(
    "5.0.0",
    _OPERATIONS | {"ConceptMap/$translate": Operation(r5.TRANSLATE, _by_code(r5.translate))},
)


class FhirService:
    """Answers for one graph; ``saved`` are the expressions of saved value sets, by name."""

    def __init__(self, desk: Desk, saved: Mapping[str, str], release: Release) -> None:
        self._desk, self._saved, self._release = desk, saved, release

    async def answer(
        self, method: str, path: str, query: Query, body: bytes
    ) -> tuple[int, Resource]:
        """Return the HTTP status and the resource that answers a request; never raises for it."""
        try:
            given = _parsed(body) if method == "POST" else None
            if method == "POST" and not path:
                return 200, await self._batch(given)
            return 200, await self._one(method, path, query, given)
        except FhirError as error:
            return error.status, error.outcome
        except BaliError as error:
            told = to_fhir(error)
            return told.status, told.outcome

    async def _one(self, method: str, path: str, query: Query, body: Any) -> Resource:
        terms = self._desk.terms
        if method == "GET" and path == "metadata":
            if dict(query).get("mode") == "terminology":
                return await to_thread.run_sync(
                    capability.terminology_capabilities, terms, self._release.version
                )
            return capability.capability_statement(self._release.version)
        kind, _, rest = path.partition("/")
        if method == "GET" and kind == "CodeSystem" and rest and not rest.startswith("$"):
            return await to_thread.run_sync(code_systems.read, terms, rest)
        operation = self._release.operations.get(path)
        if operation is None:
            known = ", ".join(["metadata", *self._release.operations])
            raise FhirError(404, "not-supported", f"'{path[:100]}' is not supported: {known} are")
        if body is None:
            inputs = from_query(query, operation.wanted)
        else:
            inputs = from_parameters(body, operation.wanted)
        return await operation.answer(self._desk, inputs, self._saved)

    async def _batch(self, bundle: Any) -> Resource:
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
            raise FhirError(400, "structure", "the body must be a Bundle")
        if bundle.get("type") != "batch":
            raise FhirError(422, "not-supported", "only Bundles of type batch are answered")
        entries = bundle.get("entry", [])
        if not isinstance(entries, list):
            raise FhirError(400, "structure", "Bundle.entry must be a list")
        if len(entries) > MAX_BATCH:
            raise FhirError(422, "too-costly", f"a batch has at most {MAX_BATCH:,} entries")
        answers = await asyncio.gather(*map(self._entry, entries))
        found: Resource = {"resourceType": "Bundle", "type": "batch-response"}
        return {**found, "entry": answers} if answers else found

    async def _entry(self, entry: Any) -> Resource:
        status, resource = await self._entry_answer(entry)
        told: Resource = {"status": str(status)}
        return {"response": {**told, "outcome": resource}} if status >= 400 else {
            "resource": resource, "response": told
        }  # fmt: skip

    async def _entry_answer(self, entry: Any) -> tuple[int, Resource]:
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
        return await self.answer(method, path, query, body)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:  # or no UTF-8
        raise FhirError(400, "structure", f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise FhirError(400, "structure", "the body is nested too deeply") from error
