"""What differs between the graph before and the live one, compared once and read in pages."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock

from bali_loaders.umls import CodeChanges, compare_codes
from bali_loaders.umls.upgrades.codes import CHANGES
from bali_platform.base.errors import UsageError, did_you_mean
from bali_platform.base.settings import Settings
from bali_platform.services.graphs import GraphStores

LISTING = "changes.csv"


@dataclass(frozen=True, slots=True)
class CodeChange:
    """A code that differs: what changed, and from what to what."""

    source: str
    code: str
    change: str
    name: str
    old_value: str
    new_value: str


class Changes:
    """The changes of a home's codes from one side to another; any thread may ask."""

    def __init__(self, settings: Settings, old: str = "previous", new: str = "live") -> None:
        self._settings, self._sides = settings, (old, new)
        self._lock = Lock()
        self._kept: tuple[tuple[str | None, ...], CodeChanges] | None = None

    def counted(self) -> CodeChanges:
        """Return how many codes of each source changed in which way.

        Raises :class:`UsageError` where there is no graph before, or the graphs are not the home's.
        """
        if self._settings.neo4j_uri:
            raise UsageError("only a home's own Neo4j (no BALI_NEO4J_URI) keeps the graph before")
        stores = GraphStores(self._settings)
        with self._lock:
            compared = stores.previous(), stores.live()
            if self._kept is None or self._kept[0] != compared:
                found = compare_codes(*self._sides, self._settings, listing=self._listing)
                self._kept = compared, found
            return self._kept[1]

    def of(self, source: str, limit: int, skip: int = 0) -> tuple[int, list[CodeChange]]:
        """Return how many changes of a source's codes there are, and a page of them, by code.

        Raises :class:`UsageError` for a source that neither side has.
        """
        sources = self.counted().sources
        if source not in sources:
            raise UsageError(f"no source '{source}' in either graph{did_you_mean(source, sources)}")
        total = sum(sources[source].get(change, 0) for change in CHANGES)
        return total, list(islice(self._read(source), skip, skip + limit))

    @property
    def _listing(self) -> Path:
        return self._settings.home / LISTING

    def _read(self, source: str) -> Iterator[CodeChange]:
        with self._listing.open(newline="", encoding="utf-8") as stream:
            for row in csv.reader(stream):
                if row[0] == source:
                    yield CodeChange(*row)
