"""Graph stores: build a new graph beside the live one, then switch to it in one step.

Stores lie in ``HOME/neo4j/graphs/<name>``. One small file says which is live and which was live
before; replacing that file is the switch, so whatever is killed whenever, one whole graph serves.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.files import write_atomically
from bali_platform.base.locks import locked
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings
from bali_platform.services.distribution import provide
from bali_platform.services.home import Home
from bali_platform.services.java import find_java
from bali_platform.services.machine import free_port, on_free_ports
from bali_platform.services.neo4j_server import (
    DATABASE,
    START_PATIENCE_S,
    Neo4jServer,
    Runtime,
    last_error,
    run_admin,
)
from bali_platform.services.process import ManagedProcess, end_strays

if TYPE_CHECKING:
    import neo4j


EMPTY = "empty"
LOADER, STAGING = "neo4j-admin", "staging"
# The importer asks for 1 GiB of heap; more would starve its off-heap caches.
IMPORTER = ("-Xmx1200m", "-XX:+UseParallelGC")
SCAN_BYTES = 1 << 20


@dataclass(frozen=True)
class GraphStore:
    """One graph on disk."""

    name: str
    folder: Path

    @property
    def data(self) -> Path:
        """Neo4j's data directory."""
        return self.folder / "data"


class GraphStores:
    """The graphs of a home's own Neo4j.

    Args:
        settings: names the home and the cache.
        reporter: shows downloads.

    Raises:
        UsageError: the settings name an external Neo4j, whose stores are not ours to build.
    """

    def __init__(self, settings: Settings, reporter: Reporter = QUIET) -> None:
        if settings.neo4j_uri:
            raise UsageError("graphs are built by the local Neo4j: unset BALI_NEO4J_URI")
        self._settings, self._reporter = settings, reporter
        self._home = Home(settings.home)
        self._folder = settings.home / "neo4j" / "graphs"

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Hold this while building a store: one load at a time in a home.

        Raises:
            BaliError: another load is under way.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        taken = BaliError("another load is under way in this home; wait for it")
        with locked(self._folder.parent / "loading.lock", taken):
            yield

    def create(self, name: str) -> GraphStore:
        """Make a fresh, empty store; what a killed load left under this name goes first.

        Raises:
            UsageError: the name is not a plain file name.
            BaliError: the live graph has this name.
        """
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise UsageError(f"graph name '{name}': use letters, digits, '.', '_', '+' and '-'")
        if name == self.live():
            raise BaliError(f"graph '{name}' is live and cannot be rebuilt in place")
        if name == self.previous():
            self._point(self.live(), None)
        self._end_leftovers()
        return self._fresh(name, self._home.process(LOADER))

    def import_full(
        self,
        store: GraphStore,
        arguments: Sequence[str],
        on_output: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Fill an empty store with ``neo4j-admin database import full``.

        Args:
            store: from :meth:`create`, and not being served.
            arguments: ``--nodes=...``, ``--relationships=...`` and other import options.
            on_output: called with every line that the importer prints.

        Raises:
            BaliError: with the first lines of the importer's report, else with its error.
        """
        report = store.folder / "import-report.txt"
        command = ["database", "import", "full", DATABASE, f"--report-file={report}", *arguments]
        code, _ = self._import(store, command, on_output)
        if code:
            reported = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
            reason = " | ".join(reported[:3])
            if not reason and code < 0:
                reason = f"the import tool was ended by signal {-code}"
            reason = reason or self._why_import_fails(store, command)
            raise BaliError(f"import failed: {reason}; see {report}")
        for log in (store.data / "transactions" / DATABASE).glob("neostore.transaction.db.*"):
            _free_trailing_zeros(log)

    @contextmanager
    def staging(self, store: GraphStore) -> Iterator[neo4j.Driver]:
        """Serve ``store`` on a second, temporary Neo4j: to build indexes, and to verify.

        Raises:
            BaliError: that Neo4j cannot start, or it ended before its time.
        """
        self._end_leftovers()

        def server() -> Neo4jServer:
            return self._server(STAGING, store.data, free_port(), None)

        running = self._start(server)
        try:
            with _driver_of(running) as driver:
                yield driver
        finally:
            running.stop()

    @contextmanager
    def serving(self) -> Iterator[neo4j.Driver]:
        """Serve the live graph: one that is down, only for as long as the context lasts.

        Raises:
            BaliError: Neo4j cannot start, or it ended before its time.
        """
        was_running = self.server().running
        self.serve()
        try:
            with _driver_of(self.server()) as driver:
                yield driver
        finally:
            if not was_running:
                with self._home.exclusive():
                    self.server().stop()

    def live(self) -> str | None:
        """Name of the graph that is served, None before the first ``up`` or load."""
        return self._pointer()["live"]

    def previous(self) -> str | None:
        """Name of the graph that was served before, None when there is none."""
        return self._pointer()["previous"]

    def live_store(self) -> GraphStore | None:
        """Return the store of the graph that is served, None before the first ``up`` or load."""
        return self._named(self.live())

    def previous_store(self) -> GraphStore | None:
        """Return the store of the graph that was served before, None when there is none."""
        return self._named(self.previous())

    def _named(self, name: str | None) -> GraphStore | None:
        return GraphStore(name, self._folder / name) if name else None

    def activate(self, store: GraphStore) -> None:
        """Make ``store`` the live graph and keep the one before; restart a running server.

        Raises:
            BaliError: Neo4j cannot serve it; the old graph serves again.
        """
        if store.name != self.live():
            self._switch(store.name, self.live())

    def rollback(self) -> str:
        """Serve the previous graph again, and return its name.

        Raises:
            BaliError: there is none.
        """
        previous = self.previous()
        if previous is None:
            raise BaliError("there is no previous graph to go back to")
        self._switch(previous, self.live())
        return previous

    def prune(self) -> list[str]:
        """Delete every store but the live and the previous one; return their names."""
        kept = {self.live(), self.previous()}
        doomed = [path for path in self._folder.iterdir() if path.is_dir()]
        doomed = sorted(path for path in doomed if path.name not in kept)
        for path in doomed:
            shutil.rmtree(path)
        return [path.name for path in doomed]

    def serve(self) -> None:
        """Start the Neo4j of the live graph unless it runs; an empty graph when there is none."""
        with self._home.exclusive():
            if not self.server().running:
                self._prepare()
                with self._reporter.step("start Neo4j"):
                    self._serve()

    def server(self) -> Neo4jServer:
        """Return the server of the live graph as last started, running or not."""
        ports = self._home.ports
        live = self._folder / (self.live() or EMPTY) / "data"
        return self._server("neo4j", live, ports["bolt"], ports["http"])

    def _fresh(self, name: str, admin: ManagedProcess) -> GraphStore:
        store = GraphStore(name, self._folder / name)
        shutil.rmtree(store.folder, ignore_errors=True)
        store.data.mkdir(parents=True)
        command = ["dbms", "set-initial-password", self._home.password("neo4j")]
        code, output = run_admin(self._runtime, admin, store.data, command)
        if code:
            raise BaliError(f"graph '{name}': cannot be created: {last_error(output)}")
        return store

    def _prepare(self) -> None:
        """Get what a first start needs: the jars, and an empty graph."""
        if self.live() is None:
            # Not create(), which would end a first load that is under way.
            self._point(self._fresh(EMPTY, self._home.process("neo4j-setup")).name, None)
        _ = self._runtime

    def _serve(self) -> None:
        server = self.server()
        if server.running:
            return
        process = self._home.process(server.name).find()
        if process is not None and time.time() - process.create_time() < START_PATIENCE_S:
            server.wait()  # another bali was killed while starting it
            return
        server.stop()
        self._start(self._server_on_free_ports)

    def _import(
        self, store: GraphStore, command: Sequence[str], on_output: Callable[[str], None]
    ) -> tuple[int, str]:
        process = self._home.process(LOADER)
        return run_admin(self._runtime, process, store.data, command, IMPORTER, on_output)

    def _why_import_fails(self, store: GraphStore, command: Sequence[str]) -> str:
        # Only --verbose names the reason, and it replaces the progress by tables.
        again = [*command, "--overwrite-destination", "--verbose"]
        _, output = self._import(store, again, lambda line: None)
        return last_error(output)

    def _switch(self, live: str, previous: str | None) -> None:
        with self._home.exclusive():
            before, server = self._pointer(), self.server()
            was_running = server.stop()
            self._point(live, previous)
            if not was_running:
                return
            try:
                self._serve()
            except BaliError:
                self.server().stop()
                self._point(before["live"], before["previous"])
                self._serve()
                raise

    def _start(self, server: Callable[[], Neo4jServer]) -> Neo4jServer:
        """Start what ``server`` returns; when its port was snatched, ask for another."""

        def start() -> Neo4jServer:
            candidate = server()
            candidate.start(self._runtime, self._memory)
            return candidate

        return on_free_ports(start)

    def _server_on_free_ports(self) -> Neo4jServer:
        self._home.choose_ports("bolt", "http")
        return self.server()

    def _server(self, name: str, data: Path, bolt: int, http: int | None) -> Neo4jServer:
        return Neo4jServer(self._home, name, data, bolt, http, self._home.password("neo4j"))

    @cached_property
    def _runtime(self) -> Runtime:
        return Runtime(find_java(), provide(self._settings.cache, self._reporter))

    @property
    def _memory(self) -> int | None:
        megabytes = self._settings.neo4j_memory_mb
        return megabytes << 20 if megabytes else None

    def _end_leftovers(self) -> None:
        """End what a killed load left running."""
        for name in (LOADER, STAGING):
            self._home.process(name).stop()
        end_strays(self._server(STAGING, self._folder, 0, None).marker)

    @property
    def _pointer_file(self) -> Path:
        return self._folder / "live.json"

    def _pointer(self) -> dict[str, str | None]:
        try:
            pointer: dict[str, str | None] = json.loads(self._pointer_file.read_text("utf-8"))
        except FileNotFoundError:
            return {"live": None, "previous": None}
        return pointer

    def _point(self, live: str | None, previous: str | None) -> None:
        write_atomically(self._pointer_file, json.dumps({"live": live, "previous": previous}))


def _free_trailing_zeros(path: Path) -> None:
    """Give back the space of the zeros that end a file; what is read of it stays the same.

    The importer sets aside a quarter of a gigabyte for the log of the smallest graph, and no
    setting keeps it from that.
    """
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        used = 0
        while end and not used:
            start = max(0, end - SCAN_BYTES)
            file.seek(start)
            used = len(file.read(end - start).rstrip(b"\0"))
            end = start
        file.truncate(end + used)
        file.truncate(size)


@contextmanager
def _driver_of(server: Neo4jServer) -> Iterator[neo4j.Driver]:
    """Connect to a server; that it ends meanwhile is an error of one line."""
    from neo4j.exceptions import DriverError, Neo4jError

    try:
        with server.driver() as driver:
            yield driver
    except (DriverError, Neo4jError) as error:
        if server.running:
            raise
        log = server.home.log(server.name)
        raise BaliError(f"the Neo4j of {server.data.parent.name} ended; see {log}") from error
