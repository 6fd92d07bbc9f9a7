"""The folder that holds one installation: its processes, ports, passwords and graphs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bali_platform.base.errors import BaliError
from bali_platform.base.files import write_atomically
from bali_platform.base.locks import locked
from bali_platform.services.machine import free_port
from bali_platform.services.process import ManagedProcess

DEFAULT_PORTS = {"bolt": 7687, "http": 7474, "redis": 6379, "api": 8000}


@dataclass(frozen=True)
class Home:
    """Names what lies where under ``BALI_HOME``."""

    root: Path

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Let one process at a time start, stop or switch the services of this home.

        Raises:
            BaliError: the folder cannot be written, or its disk is full.
        """
        try:
            self._make()
            (self.root / "run").mkdir(exist_ok=True)
            with locked(self.root / "run" / "services.lock"):
                yield
        except OSError as error:
            place = error.filename or self.root
            raise BaliError(f"{place}: cannot be written: {error.strerror}") from error

    def _make(self) -> None:
        """Make the folder, for nobody else to look into."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def process(self, name: str) -> ManagedProcess:
        """Return the background process ``name`` of this home, running or not."""
        return ManagedProcess(name, self.root / "run" / f"{name}.json", self.log(name))

    @property
    def servers(self) -> list[ManagedProcess]:
        """The processes of ``bali serve`` that have run in this home; several may at once."""
        return [self.process(path.stem) for path in sorted((self.root / "run").glob("api*.json"))]

    def log(self, name: str) -> Path:
        """Where the process ``name`` writes its output."""
        return self.root / "logs" / f"{name}.log"

    def password_file(self, name: str) -> Path:
        """Where the password of ``name`` is kept, mode 0600."""
        return self.root / "secrets" / f"{name}-password"

    def password(self, name: str) -> str:
        """Return the password of ``name``, generated the first time."""
        path = self.password_file(name)
        if not path.exists():
            self._make()
            path.parent.mkdir(exist_ok=True, mode=0o700)
            write_atomically(path, secrets.token_hex(16))
        return path.read_text(encoding="utf-8")

    @property
    def ports(self) -> Mapping[str, int]:
        """The ports last used, by name; the defaults before that."""
        try:
            remembered: dict[str, int] = json.loads(self._ports_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            remembered = {}
        return DEFAULT_PORTS | remembered

    def choose_ports(self, *names: str) -> Mapping[str, int]:
        """Choose a free port for each name (last used, default, any), and remember it."""
        chosen = dict(self.ports)
        for name in names:
            chosen[name] = free_port(chosen[name], DEFAULT_PORTS[name])
        write_atomically(self._ports_file, json.dumps(chosen))
        return chosen

    def remember_port(self, name: str, port: int) -> None:
        """Note which port ``name`` listens on."""
        write_atomically(self._ports_file, json.dumps({**self.ports, name: port}))

    @property
    def _ports_file(self) -> Path:
        return self.root / "run" / "ports.json"
