"""A real Neo4j and Redis, started locally without Docker; or the addresses of existing ones."""

from bali_platform.services.control import (
    Neo4jLogin,
    Status,
    down,
    kept_up,
    neo4j_login,
    redis_address,
    redis_url,
    running,
    status,
    up,
)
from bali_platform.services.graphs import GraphStore, GraphStores

__all__ = [
    "GraphStore",
    "GraphStores",
    "Neo4jLogin",
    "Status",
    "down",
    "kept_up",
    "neo4j_login",
    "redis_address",
    "redis_url",
    "running",
    "status",
    "up",
]
