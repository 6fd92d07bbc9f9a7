"""The standard way to get neighbourhoods: Neo4j behind Redis behind a local cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from redis import Redis

from bali_platform.base.settings import Settings
from bali_platform.graph.client import Graph
from bali_platform.services import redis_url
from bali_platform.subgraphs.cache import CachedNeighbourhoods, RedisCache
from bali_platform.subgraphs.graph_source import GraphNeighbourhoods
from bali_platform.subgraphs.neighbourhood import NeighbourhoodSource


def open_cache(settings: Settings) -> RedisCache:
    """Open the shared cache; nothing is sent before it is used."""
    # A cache that is slower than Neo4j is no use: do not wait for it long.
    redis = Redis.from_url(redis_url(settings), socket_timeout=2)
    return RedisCache(redis, settings.neighbourhood_cache_mb * 2**20)


def neighbourhoods(settings: Settings) -> NeighbourhoodSource:
    """Open the live graph behind the caches, in the process that will use it (not before a fork).

    Raises:
        BaliError: Neo4j cannot be reached, or holds no graph.
    """
    return CachedNeighbourhoods(GraphNeighbourhoods(Graph.connect(settings)), open_cache(settings))


def warm(
    source: NeighbourhoodSource,
    cache: RedisCache,
    cuis: Iterable[str],
    on_progress: Callable[[float], None],
) -> None:
    """Look up neighbourhoods, and the names of all neighbours, until ``cache`` is nearly full.

    More would drop what was put in first. ``on_progress`` is told how many CUIs were looked up.
    """
    remaining = iter(cuis)
    while chunk := list(islice(remaining, 1000)):
        found = source.neighbourhoods(chunk).found.values()
        source.names([edge.neighbour for answer in found for edge in answer.edges])
        on_progress(len(chunk))
        stats = cache.stats()
        if stats.bytes > 0.95 * stats.budget:
            return
