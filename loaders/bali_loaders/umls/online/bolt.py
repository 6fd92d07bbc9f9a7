"""Write import files over Bolt, in batches, each exactly once.

Every batch is one transaction that also moves the mark of its lane, a ``:ImportProgress`` node, if
the mark still stands where the batch begins. So no row is lost or written twice, whoever is killed
whenever; and a graph that has such nodes is known to be unfinished.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

import neo4j
from neo4j.exceptions import ConstraintError, DriverError, IncompleteCommit, Neo4jError

from bali_loaders.umls.online.batches import Batches, Row, Stream, rounds
from bali_loaders.umls.report import Report
from bali_loaders.umls.schema import run, statements, write_release
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import Reporter, Step

ROWS_AT_ONCE = 5000
PATIENCE_S = 300
LONGEST_PAUSE_S = 5
PLAIN = re.compile(r"\w+", re.ASCII)

MARK_ONCE = (
    "CREATE CONSTRAINT import_progress IF NOT EXISTS "
    "FOR (n:ImportProgress) REQUIRE n.lane IS UNIQUE"
)

T = TypeVar("T")


def begin(driver: neo4j.Driver, batches: Batches, report: Report) -> None:
    """Mark the empty database as unfinished, and let keys be unique before there are any."""
    constraints = [text for text in statements("schema") if text.startswith("CREATE CONSTRAINT")]
    for statement in (MARK_ONCE, *constraints):
        driver.execute_query(statement)
    lanes = [_mark(stream, lane) for stream in batches.streams() for lane in stream.lanes]
    try:
        run(
            driver,
            "online_begin",
            lanes=lanes,
            release=report.release,
            graph_version=report.graph_version,
        )
    except ConstraintError:
        raise BaliError("another import has just begun there; run this one again") from None


def import_batches(
    driver: neo4j.Driver, batches: Batches, report: Report, reporter: Reporter
) -> None:
    """Write what the marks say is not yet there; ``report`` names the labels and types there are.

    Waits for a server that is away. Raises :class:`BaliError` when it stays away, when nodes that
    were written are not found again, or when the marks are not those of these batches.
    """
    known = frozenset((*report.nodes, *report.relationships))
    streams = list(batches.streams())
    wanted = {_mark(stream, lane) for stream in streams for lane in stream.lanes}
    if _marks(driver).keys() != wanted:
        raise BaliError(
            "the import was begun by another version of bali: finish it with that one, "
            "or empty the database"
        )
    for stream in streams:
        with reporter.step(f"import {stream.name}", stream.rows) as step:
            _Writer(driver, batches, stream, known, step).write()


def finish(driver: neo4j.Driver, report: Report) -> None:
    """Put the release's node in the place of the marks: the graph is whole."""
    driver.execute_query("DROP CONSTRAINT import_progress IF EXISTS")
    write_release(driver, report)


def _mark(stream: Stream, lane: int) -> str:
    return f"{stream.name}/{lane}"


def _marks(driver: neo4j.Driver) -> dict[str, int]:
    return {row["lane"]: row["rows"] for row in run(driver, "online_marks")}


class _Writer:
    """Writes one stream, the lanes of a round at once."""

    def __init__(
        self,
        driver: neo4j.Driver,
        batches: Batches,
        stream: Stream,
        known: frozenset[str],
        step: Step,
    ) -> None:
        self._driver, self._batches, self._stream = driver, batches, stream
        self._known, self._step = known, step
        self._failed = threading.Event()

    def write(self) -> None:
        """Write all lanes from their marks on."""
        marks = self._patiently(self._marks)
        self._step.advance(sum(marks.values()))
        for lanes in rounds():
            waiting = [lane for lane in lanes if lane in marks]
            with ThreadPoolExecutor(len(lanes)) as pool:
                try:
                    list(pool.map(self._write_lane, waiting, (marks[lane] for lane in waiting)))
                except BaseException:
                    self._failed.set()
                    raise

    def _write_lane(self, lane: int, start: int) -> None:
        _, total = self._stream.lanes[lane]
        try:
            while start < total and not self._failed.is_set():
                reached = self._patiently(partial(self._write_batch, lane, start))
                self._step.advance(reached - start)
                start = reached
        except BaseException:
            self._failed.set()
            raise

    def _write_batch(self, lane: int, start: int) -> int:
        """Write a batch unless the mark has moved on; return where the mark is then."""
        rows = self._batches.read(self._stream, lane, start, ROWS_AT_ONCE)
        (claim,) = statements("online_claim")
        mark = {"lane": _mark(self._stream, lane), "start": start, "count": len(rows)}
        with self._driver.session() as session, session.begin_transaction() as transaction:
            if transaction.run(claim, mark).single() is not None:
                for kind, some in groupby(rows, key=itemgetter(0)):
                    self._write_rows(transaction, kind, list(some))
                transaction.commit()
                return start + len(rows)
        # The answer to a commit was lost, or another import is at work.
        return self._marks()[lane]

    def _write_rows(self, transaction: neo4j.Transaction, kind: str, rows: list[Row]) -> None:
        names = kind.split(":")
        if not self._known.issuperset(names) or not all(map(PLAIN.fullmatch, names)):
            raise BaliError(f"{self._stream.name}: '{kind}' is not in the graph's schema")
        statement = self._stream.statement.format(kind=":".join(f"`{name}`" for name in names))
        counters = transaction.run(statement, rows=[row[1:] for row in rows]).consume().counters
        written = counters.nodes_created, counters.relationships_created
        if written != self._stream.writes(rows):
            raise BaliError(
                f"{self._stream.name}: nodes that were written before are not there; somebody "
                "changes the database meanwhile: empty it and load again"
            )

    def _marks(self) -> dict[int, int]:
        marks = _marks(self._driver)
        if not marks:
            raise BaliError("another import has just finished this one: run it again to see")
        return {lane: marks[_mark(self._stream, lane)] for lane in self._stream.lanes}

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do ``work``, again and again while the server is away or ends it for a deadlock."""
        deadline, pause = time.monotonic() + PATIENCE_S, 0.1
        while True:
            try:
                result = work()
            except (DriverError, Neo4jError) as error:
                # A commit whose answer was lost is harmless here: its mark tells.
                if not (error.is_retryable() or isinstance(error, IncompleteCommit)):
                    raise
                if time.monotonic() > deadline:
                    raise BaliError(
                        "Neo4j does not come back: start it and run the same command again; "
                        "the import goes on from there"
                    ) from error
                if isinstance(error, DriverError):
                    self._step.update(note="Neo4j is away: waiting for it")
                if self._failed.wait(pause):
                    raise
            else:
                self._step.update(note="")
                return result
            pause = min(2 * pause, LONGEST_PAUSE_S)
