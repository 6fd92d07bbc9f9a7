"""A cache of neighbourhoods in Redis, shared by every process, with a small one of its own above.

Entries are kept under (graph version, kind, CUI), so a new graph never sees an old graph's entries.
The cache bounds itself, since the Redis it lives in also holds job queues and must not evict: one
script adds entries, counts their bytes, and drops the oldest once they exceed the budget. What a
Redis outage does is cost time: every answer then comes from the source below.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from importlib.resources import files
from typing import Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from redis import Redis
from redis.exceptions import RedisError

from bali_platform.subgraphs import codec
from bali_platform.subgraphs.collector import collector_paused
from bali_platform.subgraphs.neighbourhood import Lookup, Neighbourhood, NeighbourhoodSource

T = TypeVar("T")

ENTRY_OVERHEAD = 160
"""Bytes that Redis takes for an entry beside its key and value: bookkeeping and queue."""

RETRY_S = 5.0
"""Seconds for which Redis is left alone after it failed."""

_PREFIX = "bali:cache:"
_QUEUE, _TOTALS = f"{_PREFIX}queue", f"{_PREFIX}totals"
_STORE = (files("bali_platform.subgraphs") / "store.lua").read_text(encoding="utf-8")
_CHUNK = 512  # entries a script call, so that it never holds other clients up for long


@dataclass(frozen=True)
class CacheStats:
    """The shared cache: what it holds and how often it served, over all processes."""

    entries: int
    bytes: int
    budget: int
    hits: int
    misses: int
    evicted: int

    @property
    def hit_rate(self) -> float:
        """Hits among look-ups, 0 to 1; 0 before the first."""
        return self.hits / ((self.hits + self.misses) or 1)


class RedisCache:
    """Bytes under keys, oldest out first, within ``budget`` bytes. Never raises for an outage."""

    def __init__(self, redis: Redis, budget: int) -> None:
        self._redis = redis
        self._wanted = budget
        self._store = redis.register_script(_STORE)
        self._uncounted: Counter[str] = Counter()
        self._away_until = 0.0

    @cached_property
    def budget(self) -> int:
        """Bytes that it may take: half of Redis' own limit at most, the rest is the queues'."""
        limit = int(self._redis.info("memory")["maxmemory"])
        return min(self._wanted, limit // 2) if limit else self._wanted

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of ``keys`` in one round trip, None where there is none."""
        nothing: list[bytes | None] = [None] * len(keys)
        values = self._attempt(lambda: self._get(keys), nothing)
        hits = len(keys) - values.count(None)
        self._uncounted.update(hits=hits, misses=len(keys) - hits)
        return values

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Add entries; those already there stay as they are."""
        self._attempt(lambda: self._put(list(entries.items())), None)

    def stats(self) -> CacheStats:
        """Return the shared counters; raises :class:`redis.RedisError` when Redis is away."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.llen(_QUEUE)
            pipe.hgetall(_TOTALS)
            entries, totals = pipe.execute()
        counts = {name.decode(): int(count) for name, count in totals.items()}
        return CacheStats(
            entries=entries,
            budget=self.budget,
            **{name: counts.get(name, 0) for name in ("bytes", "hits", "misses", "evicted")},
        )

    def clear(self) -> int:
        """Drop every entry and counter; return how many entries there were."""
        dropped = 0
        while batch := cast(list[bytes], self._redis.lpop(_QUEUE, 1000)):
            self._redis.unlink(*(item.partition(b" ")[2] for item in batch))
            dropped += len(batch)
        self._redis.delete(_TOTALS)
        return dropped

    def _get(self, keys: Sequence[str]) -> list[bytes | None]:
        # The counts of the last look-up ride along with this one.
        with self._redis.pipeline(transaction=False) as pipe:
            for name, count in self._uncounted.items():
                pipe.hincrby(_TOTALS, name, count)
            pipe.mget(keys)
            values: list[bytes | None] = pipe.execute()[-1]
        self._uncounted.clear()
        return values

    def _put(self, items: list[tuple[str, bytes]]) -> None:
        for start in range(0, len(items), _CHUNK):
            flat = [part for item in items[start : start + _CHUNK] for part in item]
            self._store([_QUEUE, _TOTALS], [self.budget, ENTRY_OVERHEAD, *flat])

    def _attempt(self, work: Callable[[], T], otherwise: T) -> T:
        if time.monotonic() < self._away_until:
            return otherwise
        try:
            return work()
        except RedisError:
            self._away_until = time.monotonic() + RETRY_S
            return otherwise


class CachedNeighbourhoods:
    """Any source, behind Redis and a least-recently-used cache of ``local`` entries a kind."""

    def __init__(
        self, source: NeighbourhoodSource, cache: RedisCache, *, local: int = 20_000
    ) -> None:
        self._source = source
        self.graph_version = source.graph_version
        version = blake2b(self.graph_version.encode(), digest_size=9).hexdigest()
        self._neighbourhoods = _Layer[Neighbourhood](
            cache, f"{_PREFIX}{version}:n:", local, codec.encode, codec.decode
        )
        self._names = _Layer[tuple[str, ...]](
            cache, f"{_PREFIX}{version}:m:", local, codec.encode_names, codec.decode_names
        )

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        """Look up every CUI, in Neo4j only where no cache knows it."""
        found = self._neighbourhoods.get(cuis, lambda new: self._source.neighbourhoods(new).found)
        return Lookup(*_split_missing(found))

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Look up the names of every known CUI likewise."""
        return _split_missing(self._names.get(cuis, self._source.names))[0]

    def concepts_with_synonyms(self) -> NDArray[np.str_]:
        """List them from the source, each time."""
        return self._source.concepts_with_synonyms()


class _Layer(Generic[T]):
    """One kind of value, through both caches. None stands for a CUI that the graph lacks."""

    def __init__(
        self,
        cache: RedisCache,
        prefix: str,
        capacity: int,
        encode: Callable[[T], bytes],
        decode: Callable[[bytes], T],
    ) -> None:
        self._cache, self._prefix, self._capacity = cache, prefix, capacity
        self._encode, self._decode = encode, decode
        self._local: OrderedDict[str, T | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, cuis: Iterable[str], fetch: Callable[[list[str]], Mapping[str, T]]
    ) -> dict[str, T | None]:
        wanted = list(dict.fromkeys(cuis))
        found = self._recall(wanted)
        if unknown := [cui for cui in wanted if cui not in found]:
            fresh = self._from_redis(unknown)
            if absent := [cui for cui in unknown if cui not in fresh]:
                fresh |= self._from_source(absent, fetch)
            self._remember(fresh)
            found |= fresh
        return found

    def _recall(self, cuis: Iterable[str]) -> dict[str, T | None]:
        with self._lock:
            found = {cui: self._local[cui] for cui in cuis if cui in self._local}
            for cui in found:
                self._local.move_to_end(cui)
        return found

    def _from_redis(self, cuis: Sequence[str]) -> dict[str, T | None]:
        payloads = self._cache.get([self._prefix + cui for cui in cuis])
        with collector_paused():
            return {
                cui: self._decode(payload) if payload else None
                for cui, payload in zip(cuis, payloads, strict=True)
                if payload is not None
            }

    def _from_source(
        self, cuis: list[str], fetch: Callable[[list[str]], Mapping[str, T]]
    ) -> dict[str, T | None]:
        fetched = fetch(cuis)
        fresh = {cui: fetched.get(cui) for cui in cuis}
        self._cache.put(
            {
                self._prefix + cui: b"" if value is None else self._encode(value)
                for cui, value in fresh.items()
            }
        )
        return fresh

    def _remember(self, fresh: Mapping[str, T | None]) -> None:
        with self._lock:
            self._local.update(fresh)
            while len(self._local) > self._capacity:
                self._local.popitem(last=False)


def _split_missing(found: Mapping[str, T | None]) -> tuple[dict[str, T], tuple[str, ...]]:
    known = {cui: value for cui, value in found.items() if value is not None}
    return known, tuple(cui for cui, value in found.items() if value is None)
