"""Routes of what the last upgrade changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from bali.changes import Changes, CodeChange
from bali_loaders.umls import CodeChanges
from bali_platform.api.manners import StrictRoute
from bali_platform.api.models import INT64
from bali_platform.api.problems import documented


class ListedChanges(BaseModel):
    """A page of the changes of a source's codes, of how many."""

    total: int
    changes: list[CodeChange]


def change_routes(changes: Changes) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["terminology"], route_class=StrictRoute)

    @router.get("/changes", responses=documented())
    def count_changes() -> CodeChanges:
        """Count what differs between the codes of the graph before and those of the live one."""
        return changes.counted()

    @router.get("/changes/{source}", responses=documented())
    def list_changes(
        source: str,
        limit: Annotated[int, Query(ge=1, le=10_000, description="Results on a page.")] = 200,
        offset: Annotated[int, Query(ge=0, le=INT64, description="Results to pass over.")] = 0,
    ) -> ListedChanges:
        """List the codes of a source that differ, by code."""
        total, page = changes.of(source, limit, offset)
        return ListedChanges(total=total, changes=page)

    return router
