"""The route that runs Cypher."""

from __future__ import annotations

import asyncio

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter

from bali_platform.api.cypher import TIME_LIMIT_S, run_cypher
from bali_platform.api.models import CypherAnswer, CypherRequest
from bali_platform.api.problems import ProblemError, documented
from bali_platform.api.routes.graph import LiveGraph

__all__ = ["router"]

AT_ONCE = 4
GRACE_S = 2.0
router = APIRouter(tags=["graph"])
_limiter = CapacityLimiter(AT_ONCE)


@router.post(
    "/cypher", responses=documented("bad-cypher", "not-read-only", "too-slow")
)
async def post_cypher(request: CypherRequest, graph: LiveGraph) -> CypherAnswer:
    """Run a query that only reads, for at most 10 seconds.

    Refused are writing, administration, `LOAD CSV`, and procedures other than the indexes' and
    the schema's.
    """
    try:
        # Within some expressions Neo4j does not look at the clock.
        async with asyncio.timeout(TIME_LIMIT_S + GRACE_S):
            return await to_thread.run_sync(
                run_cypher,
                graph,
                request.query,
                request.parameters,
                request.limit,
                abandon_on_cancel=True,
                limiter=_limiter,
            )
    except TimeoutError as error:
        raise ProblemError("too-slow", f"no answer within {TIME_LIMIT_S:g} s") from error
