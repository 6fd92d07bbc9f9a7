"""A graph for many readers at once: what they ask at the same moment travels in one round trip.

A statement about one CUI costs Neo4j and the driver almost as much as one about fifty. So while a
look-up is under way, those that arrive wait, and then go together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import neo4j

from bali_platform.graph import Graph

__all__ = ["STATEMENT_LIMIT_S", "CoalescingGraph"]

T = TypeVar("T")
Row = dict[str, Any]
Run = Callable[[list[str]], list[Row]]

STATEMENT_LIMIT_S = 8.0
MAX_SHARED = 64
"""CUIs of a question that others may share; a larger one would make them wait."""

# Statements that answer each CUI of $cuis with at most one row, and the column that names it.
_KEYS = {"resolve": "asked", "concepts": "cui", "expand": "cui", "nodes": "cui"}


class CoalescingGraph(Graph):
    """A graph whose statements end after ``STATEMENT_LIMIT_S``, and whose look-ups travel together.

    Answers are those of :class:`Graph`.
    """

    def __init__(self, driver: neo4j.Driver, uri: str) -> None:
        super().__init__(driver, uri)
        self._queues = {name: _Queue(key) for name, key in _KEYS.items()}

    def read(self, work: Callable[[neo4j.ManagedTransaction], T]) -> T:
        """Run ``work`` in a read transaction of limited time."""
        return super().read(neo4j.unit_of_work(timeout=STATEMENT_LIMIT_S)(work))

    def query(self, name: str, **parameters: Any) -> list[Row]:
        """Run the shipped statement ``name``, together with the look-ups of others if it can be."""
        cuis = parameters.pop("cuis", None)
        if cuis is None:
            return super().query(name, **parameters)

        def run(cuis: list[str]) -> list[Row]:
            return super(CoalescingGraph, self).query(name, cuis=cuis, **parameters)

        filtered = any(value is not None and value != [] for value in parameters.values())
        if name not in self._queues or filtered or len(cuis) > MAX_SHARED:
            return run(cuis)
        return self._queues[name].ask(cuis, run)


class _Question:
    """Some CUIs, and the thread that waits to be answered or to lead."""

    def __init__(self, cuis: Sequence[str]) -> None:
        self.cuis = cuis
        self.rows: list[Row] = []
        self.error: BaseException | None = None
        self.leads = False
        self.ready = threading.Event()


class _Queue:
    """Questions to one statement. One is under way at a time; its thread asks for all that wait."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._busy = False
        self._waiting: list[_Question] = []

    def ask(self, cuis: Sequence[str], run: Run) -> list[Row]:
        """Return the rows of ``cuis``, in their order."""
        question = _Question(cuis)
        with self._lock:
            question.leads = not self._busy
            self._busy = True
            if not question.leads:
                self._waiting.append(question)
        if not question.leads:
            question.ready.wait()
        if question.leads:
            self._lead(question, run)
        if question.error is not None:
            raise question.error
        return question.rows

    def _lead(self, question: _Question, run: Run) -> None:
        with self._lock:
            batch, self._waiting = [question, *self._waiting], []
        try:
            found = {row[self._key]: row for row in run(_distinct(batch))}
            for one in batch:
                one.rows = [dict(found[cui]) for cui in dict.fromkeys(one.cuis) if cui in found]
        except BaseException as error:
            for one in batch:
                one.error = error
        self._pass_on()
        for one in batch:
            one.ready.set()

    def _pass_on(self) -> None:
        with self._lock:
            heir = self._waiting.pop(0) if self._waiting else None
            self._busy = heir is not None
        if heir is not None:
            heir.leads = True
            heir.ready.set()


def _distinct(batch: Sequence[_Question]) -> list[str]:
    return list(dict.fromkeys(cui for question in batch for cui in question.cuis))
