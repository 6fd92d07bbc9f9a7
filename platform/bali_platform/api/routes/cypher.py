"""The route that runs Cypher."""

from __future__ import annotations

import asyncio

from anyio import to_thread
from fastapi import APIRouter

from bali_platform.api.audit import audited
from bali_platform.api.cypher import to_answer
from bali_platform.api.manners import StrictRoute
from bali_platform.api.models import CypherAnswer, CypherRequest
from bali_platform.api.problems import ProblemError, documented
from bali_platform.api.routes.graph import LiveGraph
from bali_platform.graph import Graph
from bali_platform.graph.cypher import run_cypher

AT_ONCE = 4
TIME_LIMIT_S = 10.0
GRACE_S = 2.0
router = APIRouter(tags=["graph"], route_class=StrictRoute)
_slots = asyncio.Semaphore(AT_ONCE)


@router.post(
    "/cypher",
    responses=documented("bad-cypher", "not-read-only", "too-slow", "too-much-memory"),
)
async def post_cypher(request: CypherRequest, graph: LiveGraph) -> CypherAnswer:
    """Run a query that only reads, for at most 10 seconds.

    Refused are writing, administration, `LOAD CSV`, procedures other than the indexes' and the
    schema's, and functions other than Neo4j's own. An answer ends, `truncated`, at 32 MiB.
    """
    with audited("cypher", query=request.query):
        return await _answer(request, graph)


async def _answer(request: CypherRequest, graph: Graph) -> CypherAnswer:
    try:
        async with asyncio.timeout(TIME_LIMIT_S + GRACE_S):
            await _slots.acquire()
            running = asyncio.ensure_future(to_thread.run_sync(_run, graph, request))
            running.add_done_callback(_release)
            # Within some expressions Neo4j does not look at the clock: the query runs on, and
            # keeps its slot for as long.
            return await asyncio.shield(running)
    except TimeoutError as error:
        raise ProblemError("too-slow", f"no answer within {TIME_LIMIT_S:g} s") from error


def _run(graph: Graph, request: CypherRequest) -> CypherAnswer:
    rows = run_cypher(
        graph, request.query, request.parameters, timeout_s=TIME_LIMIT_S, limit=request.limit
    )
    return to_answer(graph.version, rows)


def _release(running: asyncio.Future[CypherAnswer]) -> None:
    _slots.release()
    if not running.cancelled():
        running.exception()  # or asyncio complains that nobody asked
