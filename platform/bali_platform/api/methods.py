"""Which methods an address takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.routing import BaseRoute, Match
from starlette.types import Scope


def allowed(routes: Iterable[BaseRoute], scope: Scope) -> list[str]:
    """Return the methods that an address takes, HEAD and OPTIONS among them."""
    asked = {**scope, "method": "OPTIONS"}
    found = {
        method
        for route in flat(routes)
        if route.matches(asked)[0] is not Match.NONE
        for method in getattr(route, "methods", None) or ("GET",)
    }
    if "GET" in found:
        found.add("HEAD")
    return sorted(found | {"OPTIONS"}) if found else []


def flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield routes, and in place of a router that FastAPI holds as one, its own."""
    for route in routes:
        router = getattr(route, "original_router", None)
        yield from flat(router.routes) if router else [route]
