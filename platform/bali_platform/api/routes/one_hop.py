"""The most frequent question, what is one edge away, answered without FastAPI.

FastAPI takes longer to check this question's parameters than Neo4j and Python take to answer it. So
here is a second route to the same answer, for questions in which there is nothing to check.
"""

from __future__ import annotations

import re
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from bali_platform.api.answers import TAG, entity_tag
from bali_platform.api.backend import Backend
from bali_platform.api.coalescing import CoalescingGraph
from bali_platform.api.routes.graph import subgraph_answer
from bali_platform.subgraphs import OneHop

_PLAIN = re.compile(
    rb"(?:(?:cui=[A-Za-z0-9_.:-]{1,40}|hops=1|fanout=[1-9][0-9]?|seed=[0-9]{1,18})(?:&|$))+"
)


class OneHopRoute(Route):
    """``GET /subgraphs`` with plain values and no filter; any other is left to the next route."""

    def __init__(self, backend: Backend) -> None:
        super().__init__("/subgraphs", self._answer, methods=["GET"], include_in_schema=False)
        self._backend = backend

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a question in which there is nothing to check."""
        match, child = super().matches(scope)
        plain = match == Match.FULL and scope["method"] == "GET"
        if plain and (question := _question(scope["query_string"])):
            return match, {**child, "route": self, "question": question}
        return Match.NONE, {}

    async def _answer(self, request: Request) -> Response:
        graph = self._backend.graph
        request.scope[TAG] = entity_tag(graph.version)
        found = await graph.around(cast(OneHop, request.scope["question"]))
        return Response(subgraph_answer(found).model_dump_json(), media_type="application/json")


def _question(query: bytes) -> OneHop | None:
    if not _PLAIN.fullmatch(query):
        return None
    pairs = [pair.split("=") for pair in query.decode().rstrip("&").split("&")]
    cuis = [value for name, value in pairs if name == "cui"]
    numbers = {name: int(value) for name, value in pairs if name in ("fanout", "seed")}
    question = OneHop(cuis, **numbers)
    return question if cuis and CoalescingGraph.shares(question) else None
