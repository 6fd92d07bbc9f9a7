"""Neighbourhoods of concepts: fetched, cached, sampled, exported."""

from bali_platform.subgraphs.cache import CachedNeighbourhoods, CacheStats, RedisCache
from bali_platform.subgraphs.graph_source import GraphNeighbourhoods
from bali_platform.subgraphs.neighbourhood import (
    MAX_EDGES,
    MAX_NAMES,
    Edge,
    GraphChangedError,
    Lookup,
    Neighbourhood,
    NeighbourhoodSource,
)
from bali_platform.subgraphs.stack import neighbourhoods

__all__ = [
    "MAX_EDGES",
    "MAX_NAMES",
    "CacheStats",
    "CachedNeighbourhoods",
    "Edge",
    "GraphChangedError",
    "GraphNeighbourhoods",
    "Lookup",
    "Neighbourhood",
    "NeighbourhoodSource",
    "RedisCache",
    "neighbourhoods",
]
