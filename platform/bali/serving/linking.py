"""The route of the linker: texts in, what they mention out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bali.linking import LinkedText, link
from bali_loaders.linking import Preset
from bali_platform.api.guard import BODY_LIMIT
from bali_platform.api.models import Answer, Terms
from bali_platform.api.problems import documented
from bali_platform.graph import Graph

MAX_TEXTS = 1_000
MAX_BODY_BYTES = 10 * 2**20


class LinkRequest(BaseModel):
    """A text or several, and what to link in them."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "example": {"text": "Denies chest pain. Aspirin for her MI.", "preset": "clinical"}
        },
    )

    text: str | None = None
    """One text; or else `texts`."""
    texts: Annotated[list[str], Field(min_length=1, max_length=MAX_TEXTS)] | None = None
    """Several texts, none of which knows of another."""
    preset: Preset = "literature"
    """What they are: notes as hospitals write them, or articles."""
    types: Terms = []
    """Semantic types that a concept must have one of; any by default."""
    groups: Terms = []
    """The same of semantic groups, by their labels in the graph; those of the preset by default."""
    sources: Terms = []
    """The same of vocabularies."""
    nil: Annotated[float, Field(ge=0, le=1)] = 0
    """Least score of a mention; those below it are `omitted`."""

    @model_validator(mode="after")
    def _one_of_both(self) -> LinkRequest:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        return self


class Links(Answer):
    """What the texts mention, one result for each, in order."""

    release: str
    """Of the vocabularies in the graph."""
    results: list[LinkedText]


def link_routes(graph: Callable[[], Graph]) -> APIRouter:
    """Return the route that links texts to the live graph."""
    router = APIRouter(tags=["text"])

    @router.post(
        "/link",
        response_model=Links,
        responses=documented(),
        openapi_extra={BODY_LIMIT: MAX_BODY_BYTES},
    )
    def link_texts(request: LinkRequest) -> Response:
        """Find the concepts that texts mention: where, what is said of them, what else they may be.

        Offsets count Unicode code points.
        """
        live = graph()
        texts = request.texts or [request.text or ""]
        results = link(
            texts,
            request.preset,
            live,
            types=request.types,
            groups=request.groups,
            sources=request.sources,
            nil=request.nil,
        )
        answer = Links(
            graph_version=live.version, release=str(live.release["version"]), results=results
        )
        # Written here, in the thread of the request: FastAPI would write it where all others wait.
        return Response(answer.model_dump_json(), media_type="application/json")

    return router
