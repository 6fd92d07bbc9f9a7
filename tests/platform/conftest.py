"""A Redis that tests may kill."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from bali_platform.services.redis_server import find_redis


class MortalRedis:
    """One Redis server of its own, that can be killed and started again.

    With ``durable`` it finds its data again after ``kill -9``, without it starts empty.
    """

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.durable = True
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def client(self) -> Redis:
        return Redis.from_url(self.url, socket_timeout=5)

    def start(self) -> None:
        assert self._process is None
        if not self.durable:
            shutil.rmtree(self._folder)
            self._folder.mkdir()
        self._process = subprocess.Popen(
            [find_redis(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", self._folder, "--appendonly", "yes", "--appendfsync", "always"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        while not self._answers():
            assert self._process.poll() is None, "Redis ended while starting"
            time.sleep(0.02)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator[MortalRedis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = MortalRedis(folder)
    server.start()
    yield server
    if server._process is not None:
        server.kill()
