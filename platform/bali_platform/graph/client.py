"""The graph as Python sees it: a thin, typed client over the official driver."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import chain
from typing import Any, Self, TypeVar

import neo4j
from neo4j.exceptions import DriverError, Neo4jError

from bali_platform.base.errors import BaliError, NotFoundError, UsageError, did_you_mean
from bali_platform.base.measures import NEO4J, timed
from bali_platform.base.settings import Settings, load_settings
from bali_platform.base.telemetry import span
from bali_platform.graph.records import (
    Concept,
    History,
    Link,
    Neighbour,
    Node,
    Path,
    Records,
    Successor,
)
from bali_platform.graph.statements import statement
from bali_platform.services import neo4j_login
from bali_platform.services.neo4j_errors import neo4j_errors

T = TypeVar("T")

CUIS_A_RECORD = 32
CUIS_A_TRANSACTION = 512
SESSIONS = 2

LONGEST_PATH = 8
"""Edges: the bound written into the path statements, which cannot be a parameter."""


class Graph:
    """A loaded UMLS graph: a context manager, closed at the latest when nothing refers to it.

    It owns its driver. Statements only read, and run again if the server was briefly away.
    Connections must not cross a fork: connect in the process that reads.
    """

    statement_limit_s: float | None = None
    """Seconds after which Neo4j ends a statement; None for what it is configured with."""

    def __init__(self, driver: neo4j.Driver, uri: str = "its address") -> None:
        self.driver = driver
        self._uri = uri
        self._pid = os.getpid()
        self.close = weakref.finalize(self, _close, driver, self._pid)

    @classmethod
    def connect(cls, settings: Settings | None = None) -> Self:
        """Connect to the configured Neo4j; raises :class:`BaliError` when it cannot be used."""
        at = neo4j_login(settings or load_settings())
        driver = neo4j.GraphDatabase.driver(
            at.neo4j_uri,
            auth=(at.neo4j_user, at.neo4j_password),
            database=at.neo4j_database,
            # A graph need not hold every label that a statement may look for.
            notifications_min_severity="OFF",
        )
        graph = cls(driver, at.neo4j_uri)
        try:
            with graph.errors():
                driver.verify_connectivity()
        except BaliError:
            driver.close()
            raise
        return graph

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @cached_property
    def release(self) -> dict[str, Any]:
        """``version``, ``graph_version`` and ``relation_types`` of what was live on first use."""
        rows = self.query("release")
        if not rows:
            for begun in self.query("unfinished"):
                raise BaliError(
                    f"the import of {begun['release']} is not finished: "
                    "run its `bali load --online` again"
                )
            raise BaliError("no graph loaded: run `bali load`")
        return rows[0]

    @property
    def version(self) -> str:
        """The graph version: a hash of the release's content, load options and schema."""
        return str(self.release["graph_version"])

    @property
    def relation_types(self) -> tuple[str, ...]:
        """Every relationship type between concepts, sorted."""
        return tuple(self.release["relation_types"])

    def query(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run the shipped statement ``name``, again if the server is briefly away."""
        return self.run(name, parameters, lambda found: [dict(record) for record in found])

    def map(
        self, name: str, parse: Callable[..., T], asked: Sequence[Any], **parameters: Any
    ) -> list[T]:
        """Return ``parse(*row)`` of every row that a statement about many ids returns, in order.

        The statement takes ``$chunks``, lists of ids, and returns for each a list ``rows``: the
        driver takes longer for a record than to decode what is in it. Rows are parsed as they
        arrive, while the server works on the next ones, and on those of another session.
        """

        def take(found: neo4j.Result) -> list[T]:
            return [parse(*row) for record in found for row in record["rows"]]

        def ask(part: Sequence[Any]) -> list[T]:
            return self.run(name, {**parameters, "chunks": _split(part, CUIS_A_RECORD)}, take)

        if not asked:
            return []
        if len(asked) < 2 * CUIS_A_TRANSACTION:
            return ask(asked)
        with ThreadPoolExecutor(SESSIONS) as pool:
            return list(chain.from_iterable(pool.map(ask, _split(asked, CUIS_A_TRANSACTION))))

    def rows(self, name: str, asked: Sequence[Any], **parameters: Any) -> list[list[Any]]:
        """Return the rows of such a statement; what is asked of a server at once goes together."""
        return self.map(name, lambda *row: list(row), asked, **parameters)

    def stream(self, name: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Run the shipped statement ``name`` and yield its rows as they arrive; never retried."""
        with self.errors(), self._session(fetch_size=5000) as session:
            for record in session.run(statement(name), parameters):
                yield dict(record)

    def run(self, name: str, parameters: dict[str, Any], take: Callable[[neo4j.Result], T]) -> T:
        """Run a statement, again if the server was briefly away, and return what is taken of it."""
        text, limit = statement(name), self.statement_limit_s

        @neo4j.unit_of_work(timeout=limit)
        def again(transaction: neo4j.ManagedTransaction) -> T:
            return take(transaction.run(text, parameters))

        with (
            span(f"neo4j {name}"),
            timed(NEO4J, name),
            self.errors(),
            self._session(fetch_size=-1) as session,
        ):
            try:
                # One round trip, where a transaction that the driver may repeat takes three.
                return take(session.run(neo4j.Query(text, timeout=limit), parameters))
            except (Neo4jError, DriverError) as error:
                if not error.is_retryable():
                    raise
            return session.execute_read(again)

    def concept(self, cui: str) -> Concept:
        """Return the concept of ``cui``; a retired CUI answers with its successor.

        Case matters only where two ids differ in nothing else. Raises :class:`NotFoundError` when
        the graph has neither; it says what became of a CUI that is gone.
        """
        found = self.concepts(spelt := _spelt(cui))
        for spelling in spelt:
            if spelling in found:
                return found[spelling]
        raise NotFoundError(self.history(cui).told)

    def history(self, cui: str) -> History:
        """Return what became of a CUI; raises :class:`NotFoundError` for one never seen."""
        found = self.histories(spelt := _spelt(cui))
        for spelling in spelt:
            if spelling in found:
                return found[spelling]
        raise NotFoundError(
            f"no concept '{cui}' in this graph: look for it with `bali concept search`"
        )

    def histories(self, cuis: Sequence[str]) -> dict[str, History]:
        """Return what became of each CUI; those never seen are left out."""
        rows = self.query("history", cuis=list(dict.fromkeys(cuis)))
        return {row["asked"]: _history(row) for row in rows}

    def concepts(self, cuis: Sequence[str]) -> dict[str, Concept]:
        """Return the concepts found, by the CUI asked for; retired CUIs have their successor's."""
        rows = self.query("concepts", cuis=list(dict.fromkeys(cuis)))
        return {row.pop("asked"): Concept(**_tuples(row)) for row in rows}

    def resolve(self, cuis: Sequence[str]) -> dict[str, str]:
        """Return the live CUI of each one asked for, in that order; unknown ones are left out."""
        rows = self.query("resolve", cuis=list(dict.fromkeys(cuis)))
        return {row["asked"]: row["cui"] for row in rows}

    def neighbours(
        self,
        cui: str,
        *,
        types: Collection[str] | None = None,
        sources: Collection[str] | None = None,
        groups: Collection[str] | None = None,
        outgoing: bool | None = None,
        limit: int = 100,
        skip: int = 0,
    ) -> Records[Neighbour]:
        """Return a page of a concept's edges, ordered by type, direction and neighbour.

        ``types``, ``sources`` (of the edge) and ``groups`` (semantic group labels of the neighbour)
        admit any of the given values; None admits all.
        """
        _check_limit(limit)
        rows = self.query(
            "neighbours",
            cui=self.concept(cui).cui,
            types=self.check_types(types),
            sources=_listed(sources),
            groups=_listed(groups),
            outgoing=outgoing,
            limit=limit,
            skip=skip,
        )
        return Records(Neighbour(**_tuples(row)) for row in rows)

    def paths(
        self,
        source: str,
        target: str,
        *,
        types: Collection[str] | None = None,
        max_length: int = 6,
        every: bool = False,
        limit: int = 10,
    ) -> Records[Path]:
        """Return a shortest path between two concepts, or ``every`` one up to ``limit``.

        Edges count in either direction; ``types`` restricts them. Empty when there is none of at
        most ``max_length`` edges.
        """
        _check_limit(limit)
        if not 1 <= max_length <= LONGEST_PATH:
            raise UsageError(f"a path's length must be 1 to {LONGEST_PATH} edges, not {max_length}")
        start, end = self.concept(source), self.concept(target)
        if start.cui == end.cui:
            return Records([Path((Node(start.cui, start.name),), ())])
        rows = self.query(
            "all_shortest_paths" if every else "shortest_path",
            source=start.cui,
            target=end.cui,
            types=self.check_types(types),
            max_length=max_length,
            limit=limit,
        )
        return Records(sorted(map(_path, rows), key=_path_order))

    def names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield every concept's CUI and names (best first), streamed in order of CUI."""
        for row in self.stream("all_names"):
            yield row["cui"], tuple(row["names"])

    def count_relations(self) -> dict[str, int]:
        """Return how many edges of each relationship type there are between concepts."""
        counts = {row["type"]: row["edges"] for row in self.query("relation_counts")}
        return {name: counts.get(name, 0) for name in self.relation_types}

    def check_types(self, types: Collection[str] | None) -> list[str] | None:
        """Return types in upper case; raises :class:`UsageError` for one the graph lacks."""
        if types is None:
            return None
        known = self.relation_types
        wanted = [name.upper() for name in types]
        for name in wanted:
            if name not in known:
                raise UsageError(f"no relationship type '{name}'{did_you_mean(name, known)}")
        return wanted

    def errors(self) -> AbstractContextManager[None]:
        """Turn the driver's exceptions into one clear line."""
        return neo4j_errors(self._uri)

    def _session(self, **options: Any) -> neo4j.Session:
        if os.getpid() != self._pid:
            raise BaliError("this Graph was connected before a fork: connect in the child process")
        return self.driver.session(default_access_mode=neo4j.READ_ACCESS, **options)


def _close(driver: neo4j.Driver, pid: int) -> None:
    # In a forked child the sockets are still the parent's.
    if os.getpid() == pid:
        driver.close()


def _split(ids: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [ids[at : at + size] for at in range(0, len(ids), size)]


def _listed(values: Collection[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise UsageError(f"a limit must be at least 1, not {limit}")


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    """Return ``row`` with lists as tuples and missing lists as empty ones."""
    plural = {"names", "semantic_types", "groups", "sources"}
    return {key: tuple(value or ()) if key in plural else value for key, value in row.items()}


def _spelt(cui: str) -> list[str]:
    text = cui.strip()
    return list(dict.fromkeys((text, text.upper(), text.lower())))


def _history(row: dict[str, Any]) -> History:
    if row["live"] is not None:
        return History(row["asked"], "live", row["live"], "")
    successors = tuple(Successor(*each) for each in row["successors"])
    reason, name, release = (row[key] or "" for key in ("reason", "name", "release"))
    return History(row["asked"], reason or "retired", name, release, successors)


def _path(row: dict[str, Any]) -> Path:
    nodes = tuple(Node(cui, name) for cui, name in row["nodes"])
    links = tuple(Link(a, b, kind, tuple(sabs or ())) for a, b, kind, sabs in row["edges"])
    return Path(nodes, links)


def _path_order(path: Path) -> tuple[list[str], list[str]]:
    return [node.cui for node in path.nodes], [link.type for link in path.links]
