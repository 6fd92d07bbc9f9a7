"""The route of the linker: texts in, what they mention out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from threading import Lock
from typing import Annotated, Any, NamedTuple

from anyio import to_thread
from fastapi import APIRouter, Header
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from bali.linking import LinkedText, link_each
from bali_loaders.linking import LinkOptions, Preset, chosen_options
from bali_platform.api.guard import BODY_LIMIT
from bali_platform.api.models import Answer, Terms
from bali_platform.api.problems import documented
from bali_platform.api.together import Together
from bali_platform.base.errors import BaliError
from bali_platform.graph import Graph

MAX_TEXTS = 1_000
MAX_BODY_BYTES = 10 * 2**20
MAX_SHARED = 16_000
"""Characters of a request that others may share; a larger one would make them wait."""

MAX_TOGETHER = 8
LINES = "application/x-ndjson"
_RESULT = TypeAdapter(LinkedText)
_large = Lock()
"""Held while a piece of a large request is linked, so that memory is that of one."""


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

    @property
    def options(self) -> LinkOptions:
        """What is to be linked."""
        return chosen_options(
            self.preset, types=self.types, groups=self.groups, sources=self.sources, nil=self.nil
        )


class LinkHead(Answer):
    """What the answer is from."""

    release: str
    """Of the vocabularies in the graph."""


class Links(LinkHead):
    """What the texts mention, one result for each, in order."""

    results: list[LinkedText]


class _Asked(NamedTuple):
    graph: Graph
    options: LinkOptions
    texts: list[str]


def link_routes(graph: Callable[[], Graph]) -> APIRouter:
    """Return the route that links texts to the live graph."""
    router = APIRouter(tags=["text"])
    together = Together(_answer_all, at_once=1, most=MAX_TOGETHER)
    lines: dict[int | str, dict[str, Any]] = {200: {"content": {LINES: {}}}}

    @router.post(
        "/link",
        response_model=Links,
        responses=documented() | lines,
        openapi_extra={BODY_LIMIT: MAX_BODY_BYTES},
    )
    async def link_texts(
        request: LinkRequest, accept: Annotated[str, Header(include_in_schema=False)] = ""
    ) -> Response:
        """Find the concepts that texts mention: where, what is said of them, what else they may be.

        Offsets count Unicode code points. Who accepts `application/x-ndjson` gets the graph's
        version and release in the first line, and then each text's result in a line, as soon as it
        is there.
        """
        texts = request.texts or [request.text or ""]
        asked = _Asked(graph(), request.options, texts)
        if LINES not in accept and sum(map(len, texts)) <= MAX_SHARED:
            return Response(await together.ask(asked), media_type="application/json")
        pieces = _lines(asked) if LINES in accept else _json(asked, _results(asked))
        begin = await to_thread.run_sync(next, pieces)  # what is wrong with it is told now
        media_type = LINES if LINES in accept else "application/json"
        return StreamingResponse(chain([begin], pieces), media_type=media_type)

    return router


def _answer_all(asked: list[_Asked]) -> list[bytes | Exception]:
    """Link what was asked with the same options at once."""
    alike: defaultdict[tuple[Graph, LinkOptions], list[int]] = defaultdict(list)
    for place, (graph, options, _) in enumerate(asked):
        alike[graph, options].append(place)
    answers: dict[int, bytes | Exception] = {}
    for (graph, options), places in alike.items():
        try:
            found = link_each(chain.from_iterable(asked[at].texts for at in places), graph, options)
            for at in places:
                own = islice(found, len(asked[at].texts))
                answers[at] = b"".join(_json(asked[at], map(_RESULT.dump_json, own)))
        except BaliError as error:
            answers |= dict.fromkeys(places, error)
    return [answers[at] for at in range(len(asked))]


def _results(asked: _Asked) -> Iterator[bytes]:
    found = link_each(asked.texts, asked.graph, asked.options)
    while True:
        with _large:
            one = next(found, None)
        if one is None:
            return
        yield _RESULT.dump_json(one)


def _json(asked: _Asked, results: Iterable[bytes]) -> Iterator[bytes]:
    begin = _head(asked)[:-1] + b',"results":['
    for result in results:
        yield begin + result
        begin = b","
    yield b"]}"


def _lines(asked: _Asked) -> Iterator[bytes]:
    begin = _head(asked) + b"\n"
    for result in _results(asked):
        yield begin + result + b"\n"
        begin = b""


def _head(asked: _Asked) -> bytes:
    graph = asked.graph
    head = LinkHead(graph_version=graph.version, release=str(graph.release["version"]))
    return head.model_dump_json().encode()
