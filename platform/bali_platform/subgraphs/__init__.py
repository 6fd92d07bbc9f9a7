"""Neighbourhoods of concepts: fetched, cached, sampled, exported."""

from bali_platform.subgraphs.cache import CachedNeighbourhoods, CacheStats, RedisCache
from bali_platform.subgraphs.exploration import (
    HIERARCHICAL,
    OneHop,
    explore,
    explore_each,
    hierarchy,
    induced,
    of_paths,
)
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
from bali_platform.subgraphs.stack import neighbourhoods, open_cache, warm
from bali_platform.subgraphs.subgraph import Subgraph, read_pyg

__all__ = [
    "HIERARCHICAL",
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
    "OneHop",
    "RedisCache",
    "Subgraph",
    "explore",
    "explore_each",
    "hierarchy",
    "induced",
    "neighbourhoods",
    "of_paths",
    "open_cache",
    "read_pyg",
    "warm",
]
