"""The routes of the FHIR R4 terminology services."""

from __future__ import annotations

import json
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response

from bali_platform.api.backend import Backend, backend_of
from bali_platform.api.fhir.outcomes import FhirError, Resource, to_fhir
from bali_platform.api.fhir.service import FhirService
from bali_platform.base.errors import BaliError
from bali_platform.terminology.saved import SavedSets

MEDIA_TYPE = "application/fhir+json"
JSON = ("json", "application/json", MEDIA_TYPE, "*/*", "application/*", "text/json")
router = APIRouter(prefix="/fhir", tags=["fhir"])
Connected = Annotated[Backend, Depends(backend_of)]


@router.get("/{path:path}", include_in_schema=False)
@router.post("/{path:path}", include_in_schema=False)
@router.post("", include_in_schema=False)
async def answer_fhir(request: Request, backend: Connected, path: str = "") -> Response:
    """Answer a read, a search, an operation or a batch."""
    try:
        _check_formats(request)
        service = FhirService(backend.terms, SavedSets(backend.settings.home))
    except FhirError as error:
        return _response(error.status, error.outcome)
    except BaliError as error:
        told = to_fhir(error)
        return _response(told.status, told.outcome)
    query, body = request.query_params.multi_items(), await request.body()
    status, resource = await to_thread.run_sync(
        service.answer, request.method, path.strip("/"), query, body
    )
    return _response(status, resource)


def _check_formats(request: Request) -> None:
    wanted = request.query_params.get("_format") or request.headers.get("accept", "*/*")
    offered = [kind.partition(";")[0].strip().lower() for kind in wanted.split(",")]
    if not any(kind in JSON for kind in offered):
        raise FhirError(406, "not-supported", f"answers are {MEDIA_TYPE}, not {wanted[:100]}")
    given = request.headers.get("content-type", MEDIA_TYPE).partition(";")[0].strip().lower()
    if request.method == "POST" and given not in JSON:
        raise FhirError(415, "not-supported", f"send {MEDIA_TYPE}, not {given[:100]}")


def _response(status: int, resource: Resource) -> Response:
    text = json.dumps(resource, ensure_ascii=False)
    headers = {"Retry-After": "2"} if status == 503 else {}
    return Response(text, status, headers, media_type=f"{MEDIA_TYPE}; fhirVersion=4.0")
