"""A real Neo4j and Redis, started locally without Docker; or the addresses of existing ones."""

from bali_platform.services.control import Endpoints, Status, down, endpoints, running, status, up
from bali_platform.services.graphs import GraphStore, GraphStores

__all__ = [
    "Endpoints",
    "GraphStore",
    "GraphStores",
    "Status",
    "down",
    "endpoints",
    "running",
    "status",
    "up",
]
