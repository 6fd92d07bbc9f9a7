"""The cache above a source that lives in memory, on a real Redis."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest
from redis import Redis

from bali_platform.subgraphs import CachedNeighbourhoods, Edge, Lookup, Neighbourhood, RedisCache
from bali_platform.subgraphs import cache as cache_module

pytestmark = pytest.mark.services
BUDGET = 2**24


class MemorySource:
    """Neighbourhoods that depend on the version and the CUI; CUIs in lower case are missing."""

    def __init__(self, graph_version: str = "v1") -> None:
        self.graph_version = graph_version
        self.asked: list[str] = []

    def one(self, cui: str) -> Neighbourhood:
        rng = random.Random(f"{self.graph_version} {cui}")
        names = tuple(f"name {rng.random()} of {cui}" for _ in range(rng.randint(1, 9)))
        edges = (Edge(f"C{rng.randint(0, 9999999):07d}", "ISA", rng.random() < 0.5),)
        return Neighbourhood(cui, names, edges)

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        self.asked += cuis
        found = {cui: self.one(cui) for cui in cuis if cui.isupper()}
        return Lookup(found, tuple(cui for cui in cuis if cui not in found))

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        self.asked += cuis
        return {cui: self.one(cui).names for cui in cuis if cui.isupper()}


def cuis(count: int, start: int = 0) -> list[str]:
    return [f"C{number:07d}" for number in range(start, start + count)]


def test_versions_do_not_see_each_other(redis_client: Redis) -> None:
    for _ in range(2):
        for version in ("v1", "v2"):
            source = MemorySource(version)
            cached = CachedNeighbourhoods(source, RedisCache(redis_client, BUDGET))
            assert cached.neighbourhoods(["C1", "gone"]) == MemorySource(version).neighbourhoods(
                ["C1", "gone"]
            )
    assert not source.asked


def test_budget_bounds_what_redis_holds(mortal_redis) -> None:
    with mortal_redis.client() as redis_client:  # which nobody else uses
        budget = 400_000
        cached = CachedNeighbourhoods(MemorySource(), RedisCache(redis_client, budget), local=10)
        cached.neighbourhoods(cuis(600))  # buffers grow and the script is compiled
        assert RedisCache(redis_client, budget).clear() == 600
        before = redis_client.info("memory")["used_memory"]
        for start in range(0, 6000, 600):
            cached.neighbourhoods(cuis(600, start))
            cached.names(cuis(600, start))
            assert RedisCache(redis_client, budget).stats().bytes <= budget
        used = redis_client.info("memory")["used_memory"] - before
        stats = RedisCache(redis_client, budget).stats()
        assert 0.5 * budget < stats.bytes
        assert used < 1.3 * budget
        assert stats.evicted > stats.entries > 0
        assert len(redis_client.keys("bali:cache:*")) == stats.entries + 2


def test_oldest_entries_go_first(redis_client: Redis) -> None:
    budget = 100_000
    CachedNeighbourhoods(MemorySource(), RedisCache(redis_client, budget)).neighbourhoods(
        cuis(1000)
    )
    source = MemorySource()
    cached = CachedNeighbourhoods(source, RedisCache(redis_client, budget))
    cached.neighbourhoods(cuis(50, 950))
    assert source.asked == []
    cached.neighbourhoods(cuis(50))
    assert source.asked == cuis(50)


def test_smaller_budget_takes_hold_with_the_next_entry(redis_client: Redis) -> None:
    CachedNeighbourhoods(MemorySource(), RedisCache(redis_client, BUDGET)).neighbourhoods(cuis(500))
    small = RedisCache(redis_client, 10_000)
    CachedNeighbourhoods(MemorySource(), small).neighbourhoods(["C9"])
    assert small.stats().bytes <= 10_000


def test_hits_and_misses_are_counted_over_processes(redis_client: Redis) -> None:
    first = CachedNeighbourhoods(MemorySource(), RedisCache(redis_client, BUDGET))
    second = CachedNeighbourhoods(MemorySource(), RedisCache(redis_client, BUDGET))
    for cached in (first, second):
        cached.neighbourhoods(cuis(10))
        cached.names(["C77"])
    # Counts travel with the next look-up in Redis.
    second.names(["C78"])
    stats = RedisCache(redis_client, BUDGET).stats()
    assert (stats.hits, stats.misses) == (11, 10)
    assert stats.hit_rate == pytest.approx(11 / 21)


def test_local_cache_is_bounded(redis_client: Redis) -> None:
    cache = RedisCache(redis_client, BUDGET)
    source = MemorySource()
    cached = CachedNeighbourhoods(source, cache, local=3)
    cached.neighbourhoods(cuis(3))
    cached.neighbourhoods(["C0000000"])
    cached.neighbourhoods(["C0000003"])
    cache.clear()
    source.asked.clear()
    cached.neighbourhoods(["C0000000", "C0000002", "C0000003"])
    assert source.asked == []
    cached.neighbourhoods(["C0000001"])
    assert source.asked == ["C0000001"]


def test_clear_leaves_other_keys_alone(redis_client: Redis) -> None:
    redis_client.set("celery", "queue")
    cache = RedisCache(redis_client, BUDGET)
    CachedNeighbourhoods(MemorySource(), cache).neighbourhoods(cuis(2500))
    assert cache.clear() == 2500
    assert redis_client.keys("bali:cache:*") == []
    assert redis_client.get("celery") == b"queue"
    assert cache.stats().bytes == 0


def test_outage_costs_time_and_nothing_else(mortal_redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "RETRY_S", 0.05)
    mortal_redis.durable = False
    source = MemorySource()
    client = mortal_redis.client()
    cached = CachedNeighbourhoods(source, RedisCache(client, BUDGET), local=0)
    assert cached.neighbourhoods(cuis(5)) == MemorySource().neighbourhoods(cuis(5))
    mortal_redis.kill()
    for _ in range(3):
        assert cached.neighbourhoods(cuis(5)) == MemorySource().neighbourhoods(cuis(5))
    mortal_redis.start()
    time.sleep(0.1)
    cached.neighbourhoods(cuis(5))
    source.asked.clear()
    cached.neighbourhoods(cuis(4))
    assert source.asked == []
    client.close()


def test_full_redis_costs_nothing_but_speed(mortal_redis) -> None:
    client = mortal_redis.client()
    client.config_set("maxmemory", 1)
    cached = CachedNeighbourhoods(MemorySource(), RedisCache(client, BUDGET), local=0)
    for _ in range(2):
        assert cached.neighbourhoods(cuis(9)) == MemorySource().neighbourhoods(cuis(9))
    client.close()


def test_half_of_redis_is_left_to_its_queues(mortal_redis) -> None:
    with mortal_redis.client() as client:
        limit = client.info("memory")["used_memory"] + 4 * 2**20
        client.config_set("maxmemory", limit)
        client.lpush("queue", *(b"job" * 100 for _ in range(1000)))
        cache = RedisCache(client, 2**30)
        for number in range(40):
            cache.put({f"bali:cache:v:n:{number}-{entry}": b"x" * 1000 for entry in range(200)})
        stats = cache.stats()
        assert stats.evicted > 0
        assert stats.bytes <= stats.budget == limit // 2
        assert client.llen("queue") == 1000
        assert client.lpush("queue", b"y" * 2**18) == 1001
