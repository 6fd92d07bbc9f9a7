"""What the front adds to `bali serve`: linker, model of vectors, changes, tools for agents."""

from __future__ import annotations

from importlib.util import find_spec

from fastapi import APIRouter

from bali.changes import Changes
from bali.serving.changes import change_routes
from bali.serving.linking import link_routes
from bali.serving.model import ServedModel
from bali.serving.routes import model_routes
from bali_platform.api.backend import Backend, Extension
from bali_platform.terminology.saved import SavedSets


def extension(device: str = "auto", model: str | None = None) -> Extension:
    """Return what makes those routes; agents are served where the SDK is installed."""

    def extend(backend: Backend) -> APIRouter:
        served = ServedModel(lambda: backend.graph, device, model)
        router = APIRouter()
        router.include_router(link_routes(lambda: backend.graph))
        router.include_router(model_routes(served))
        changes = Changes(backend.settings)
        router.include_router(change_routes(changes))
        if find_spec("mcp"):
            from bali.agents.desk import Desk
            from bali.agents.http import http_routes
            from bali.agents.server import build_server

            saved = SavedSets(backend.settings.home)
            desk = Desk(lambda: backend.graph, served, changes, saved)
            router.include_router(http_routes(build_server(desk)))
        return router

    return extend
