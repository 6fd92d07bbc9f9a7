"""One Neo4j server process over one data directory."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bali_platform.base.errors import BaliError
from bali_platform.base.files import write_atomically
from bali_platform.services import read_ahead
from bali_platform.services.browser import install_browser
from bali_platform.services.distribution import Distribution
from bali_platform.services.home import Home
from bali_platform.services.machine import LOOPBACK, PortTakenError, memory_limit
from bali_platform.services.process import ManagedProcess, end_strays

if TYPE_CHECKING:
    import neo4j


USER = "neo4j"
DATABASE = "neo4j"
START_PATIENCE_S = 600
POLL_S = 0.1
MEBIBYTE = 1 << 20
# The Bolt preamble: magic number, then the versions we would speak (5.0 to 5.8, 4.4).
BOLT_HELLO = bytes.fromhex("6060b017 00080805 00000404 00000000 00000000")
MODULE_ACCESS = (
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
)

# Compile fast rather than well: for what soon ends, or has too little memory to be busy.
FAST_COMPILER = "-XX:TieredStopAtLevel=1"
BRIEF = ("-Xmx256m", "-XX:+UseSerialGC", FAST_COMPILER)


@dataclass(frozen=True)
class Runtime:
    """What runs Neo4j: a Java and the jars."""

    java: Path
    distribution: Distribution


@dataclass(frozen=True)
class Neo4jServer:
    """A Neo4j that serves ``data`` on loopback; ``http`` None means no Browser."""

    home: Home
    name: str
    data: Path
    bolt: int
    http: int | None
    password: str = field(repr=False)

    @property
    def uri(self) -> str:
        """Its Bolt address."""
        return f"bolt://{LOOPBACK}:{self.bolt}"

    @property
    def browser(self) -> str | None:
        """The address of its Browser."""
        return f"http://localhost:{self.http}/browser/" if self.http else None

    @property
    def marker(self) -> str:
        """The argument by which to know its process."""
        return f"--home-dir={self._folder}"

    @property
    def running(self) -> bool:
        """Whether our process lives and answers."""
        return self.home.process(self.name).find() is not None and answers_bolt(self.bolt)

    def start(self, runtime: Runtime, memory: int | None = None) -> None:
        """Start it and wait until the database is online.

        Args:
            runtime: what to run it with.
            memory: bytes for heap and page cache together; follows the machine by default.

        Raises:
            PortTakenError: try again with another port.
            BaliError: it ends, or its database does not come online; the message says why.
        """
        end_strays(self.marker)
        process = self.home.process(self.name)
        heap, pages = memory_plan(memory or default_memory())
        self._write_configuration(heap, pages)
        classpath = [f"{self._folder}/plugins/*", f"{self._folder}/conf/*"]
        if self.http:
            webroot = self._folder / "webroot"
            install_browser(runtime.distribution.browser, webroot, self.bolt, self.http)
            classpath.insert(0, str(webroot))
        classpath.append(f"{runtime.distribution.lib}/*")
        position = process.log_size
        process.start(
            [
                str(runtime.java),
                *MODULE_ACCESS,
                *_heap_options(heap),
                "-Dfile.encoding=UTF-8",
                "-cp",
                os.pathsep.join(classpath),
                "org.neo4j.server.CommunityEntryPoint",
                self.marker,
                f"--config-dir={self._folder}/conf",
                "--console-mode",
            ],
            os.environ,
        )
        self._read_ahead()
        self.wait(position)

    def wait(self, position: int | None = None) -> None:
        """Wait until the database is online; ``position``: where in the log this start begins."""
        process = self.home.process(self.name)
        position = process.log_size if position is None else position
        deadline = time.monotonic() + START_PATIENCE_S
        while not self._open():
            if process.find() is None:
                self._explain_end(process.output_since(position))
            if time.monotonic() > deadline:
                raise BaliError(f"Neo4j does not come online; see {process.log}")
            time.sleep(POLL_S)

    def stop(self) -> bool:
        """Shut it down cleanly; True if it was running."""
        return self.home.process(self.name).stop()

    def driver(self) -> neo4j.Driver:
        """Return a driver connected to it; the caller closes it."""
        return connect_neo4j(self.uri, USER, self.password)

    def _read_ahead(self) -> None:
        """Let the graph come into memory in order while, and after, Neo4j starts."""
        store = self.data / "databases" / DATABASE
        room = psutil.virtual_memory().available
        command = [sys.executable, read_ahead.__file__, str(store), str(room)]
        self.home.process("read-ahead").start(command, os.environ)

    def _open(self) -> bool:
        """Whether all its ports are its own, and the database is online."""
        ports = self.home.process(self.name).listening_ports()
        return {self.bolt, self.http or self.bolt} <= ports and self._online()

    def _online(self) -> bool:
        from neo4j.exceptions import DriverError, Neo4jError

        statement = "SHOW DATABASE $name YIELD currentStatus, statusMessage"
        try:
            with self.driver() as driver, driver.session(database="system") as session:
                record = session.run(statement, name=DATABASE).single(strict=True)
        except (DriverError, Neo4jError):
            return False
        if record["statusMessage"]:
            message = " ".join(record["statusMessage"].split())
            raise BaliError(f"Neo4j cannot open the graph in {self.data}: {message}")
        return bool(record["currentStatus"] == "online")

    def _explain_end(self, output: str) -> None:
        log = self.home.log(self.name)
        if "already in use" in output:
            raise PortTakenError(f"Neo4j: port {self.bolt} or {self.http} is taken; see {log}")
        raise BaliError(f"Neo4j ended while starting: {last_error(output)}; see {log}")

    @property
    def _folder(self) -> Path:
        return self.home.root / "neo4j" / self.name

    def _write_configuration(self, heap: int, pages: int) -> None:
        for part in ("conf", "plugins", "import", "run"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        lines = {
            "server.directories.data": self.data,
            "server.directories.logs": self.home.root / "logs" / self.name,
            "server.default_listen_address": LOOPBACK,
            "server.bolt.listen_address": f"{LOOPBACK}:{self.bolt}",
            "server.bolt.advertised_address": f"localhost:{self.bolt}",
            "server.http.enabled": str(self.http is not None).lower(),
            "server.https.enabled": "false",
            "server.memory.pagecache.size": f"{pages // MEBIBYTE}m",
            # By default one query may take almost all of the heap.
            "db.memory.transaction.max": f"{heap // 4 // MEBIBYTE}m",
            "dbms.memory.transaction.total.max": f"{heap // 2 // MEBIBYTE}m",
            # The defaults set aside half a gigabyte of disk for logs of an empty graph.
            "db.tx_log.preallocate": "false",
            "db.tx_log.rotation.size": "64m",
            "db.tx_log.rotation.retention_policy": "2 files",
            # By default a stop waits ten seconds for queries under way.
            "db.shutdown_transaction_end_timeout": "3s",
            "dbms.usage_report.enabled": "false",
            # LOAD CSV reads any file of this user, even within a read transaction.
            "dbms.security.allow_csv_import_from_file_urls": "false",
            "client.allow_telemetry": "false",
            # Bolt lingers five seconds at every stop, long after the databases are closed.
            "internal.dbms.bolt.netty_server_shutdown_quiet_period": "0",
        }
        if self.http:
            lines |= {
                "server.http.listen_address": f"{LOOPBACK}:{self.http}",
                "server.http.advertised_address": f"localhost:{self.http}",
                "browser.post_connect_cmd": f"play {self.browser}bali/start.html",
            }
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        write_atomically(self._folder / "conf" / "neo4j.conf", text)


def connect_neo4j(uri: str, user: str, password: str, database: str | None = None) -> neo4j.Driver:
    """Return a driver that gives up within seconds; the caller closes it.

    Its sessions use ``database``, or the user's home database.
    """
    from neo4j import GraphDatabase

    return GraphDatabase.driver(
        uri,
        auth=(user, password),
        connection_timeout=5,
        notifications_min_severity="OFF",
        database=database,
    )


def last_error(output: str) -> str:
    r"""Return the innermost error that a Java program printed, else its first line.

    >>> last_error("Starting\njava.lang.Error: outer\nCaused by: java.io.IOException: no room")
    'no room'
    """
    causes = re.findall(r"(?:\bERROR\b\s+|(?:Exception|Error): )(.+)", output)
    lines = output.strip().splitlines() or ["no reason given"]
    return (causes[-1] if causes else lines[0]).strip()


def default_memory() -> int:
    """Bytes for one Neo4j: a quarter of the machine, from 384 MiB to 16 GiB."""
    return min(max(memory_limit() // 4, 384 * MEBIBYTE), 16 << 30)


def memory_plan(memory: int) -> tuple[int, int]:
    """Split ``memory`` bytes into heap and page cache.

    >>> [part >> 20 for part in memory_plan(1 << 30)]
    [512, 512]
    >>> [part >> 20 for part in memory_plan(16 << 30)]
    [4096, 12288]
    """
    heap = min(memory // 2, 4 << 30)
    return heap, memory - heap


def answers_bolt(port: int, host: str = LOOPBACK, timeout_s: float = 2) -> bool:
    """Whether a Bolt server at this address shakes hands."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(BOLT_HELLO)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def run_admin(
    runtime: Runtime,
    process: ManagedProcess,
    data: Path,
    arguments: Sequence[str],
    jvm: Sequence[str] = BRIEF,
    on_output: Callable[[str], None] = lambda line: None,
) -> tuple[int, str]:
    """Run ``neo4j-admin`` on a data directory no server uses; return exit code and output.

    The arguments travel in a file of mode 0600, so that a password among them shows in no
    process list. ``process`` remembers the run, so that one left by a killed caller can be ended.
    """
    folder = data.parent
    options = f"@{folder / 'arguments'}"
    end_strays(options)
    write_atomically(folder / "conf" / "neo4j.conf", f"server.directories.data={data}\n")
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in arguments)
    write_atomically(folder / "arguments", "\n".join(quoted) + "\n")
    command = [str(runtime.java), *MODULE_ACCESS, *jvm]
    command += ["-cp", f"{runtime.distribution.lib}/*", "org.neo4j.cli.AdminTool"]
    command.append(options)
    environment = {**os.environ, "NEO4J_HOME": str(folder), "NEO4J_CONF": str(folder / "conf")}
    lines = []
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as child:
        process.adopt(child.pid)
        try:
            for line in child.stdout or ():
                lines.append(line)
                on_output(line.rstrip("\n"))
            child.wait()
        finally:
            process.stop(patience_s=5)
            (folder / "arguments").unlink()
    return child.returncode, "".join(lines)


def _heap_options(heap: int) -> list[str]:
    megabytes = heap // MEBIBYTE
    options = [f"-Xms{megabytes // 2}m", f"-Xmx{megabytes}m"]
    options.append("-XX:+UseSerialGC" if megabytes < 1024 else "-XX:+UseG1GC")
    return [*options, FAST_COMPILER] if megabytes < 256 else options
