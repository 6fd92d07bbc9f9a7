"""The routes of the FHIR terminology services: R4, and below ``r5`` R5."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response

from bali_platform.api.backend import Backend, backend_of
from bali_platform.api.fhir.outcomes import FhirError, Resource, to_fhir
from bali_platform.api.fhir.service import R4, R5, FhirService, Release
from bali_platform.base.errors import BaliError
from bali_platform.terminology.saved import SavedSets

MEDIA_TYPE = "application/fhir+json"
XML_TYPE = "application/fhir+xml"
JSON = ("json", "application/json", MEDIA_TYPE, "*/*", "application/*", "text/json")
XML = ("xml", "application/xml", XML_TYPE, "text/xml")
router = APIRouter(prefix="/fhir", tags=["fhir"])
Write = Callable[[int, Resource], Response]
Connected = Annotated[Backend, Depends(backend_of)]


@router.get("/{path:path}", include_in_schema=False)
@router.post("/{path:path}", include_in_schema=False)
@router.post("", include_in_schema=False)
async def answer_fhir(request: Request, backend: Connected, path: str = "") -> Response:
    """Answer a read, a search, an operation or a batch."""
    first, _, rest = path.strip("/").partition("/")
    release, path = (R5, rest) if first == "r5" else (R4, path.strip("/"))
    write: Write = partial(_as_json, release)
    try:
        write = _writer(request, release)
        service = FhirService(backend.desk, SavedSets(backend.settings.home), release)
    except FhirError as error:
        return write(error.status, error.outcome)
    except BaliError as error:
        told = to_fhir(error)
        return write(told.status, told.outcome)
    query, body = request.query_params.multi_items(), await request.body()
    status, resource = await service.answer(request.method, path, query, body)
    if "entry" in resource or "expansion" in resource:  # it may be large
        return await to_thread.run_sync(write, status, resource)
    return write(status, resource)


def _writer(request: Request, release: Release) -> Write:
    """Return what writes answers in the form that is asked for; raises :class:`FhirError`."""
    wanted = request.query_params.get("_format") or request.headers.get("accept", "*/*")
    offered = [kind.partition(";")[0].strip().lower() for kind in wanted.split(",")]
    fitting = [kind for kind in offered if kind in (*JSON, *XML)]
    if not fitting:
        told = f"answers are {MEDIA_TYPE} or {XML_TYPE}, not {wanted[:100]}"
        raise FhirError(406, "not-supported", told)
    given = request.headers.get("content-type", MEDIA_TYPE).partition(";")[0].strip().lower()
    if request.method == "POST" and given not in JSON:
        raise FhirError(415, "not-supported", f"send {MEDIA_TYPE}, not {given[:100]}")
    # Browsers offer XML too, though not first.
    json_fits = any(kind in JSON for kind in fitting) and offered[0] not in XML
    return partial(_as_json, release) if json_fits else _xml_writer(release)


def _xml_writer(release: Release) -> Write:
    try:
        import_module("lxml")
        models = import_module("fhir.resources" if release is R5 else "fhir.resources.R4B")
    except ImportError as error:
        raise FhirError(406, "not-supported", "XML needs `pip install 'bali[xml]'`") from error

    def write(status: int, resource: Resource) -> Response:
        model = models.get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        return _response(release, status, model.model_dump_xml(), XML_TYPE)

    return write


def _as_json(release: Release, status: int, resource: Resource) -> Response:
    return _response(release, status, json.dumps(resource, ensure_ascii=False), MEDIA_TYPE)


def _response(release: Release, status: int, content: str | bytes, media_type: str) -> Response:
    headers = {"Retry-After": "2"} if status == 503 else {}
    return Response(
        content, status, headers, media_type=f"{media_type}; fhirVersion={release.version[:3]}"
    )
