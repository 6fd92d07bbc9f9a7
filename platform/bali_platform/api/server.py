"""``bali serve``: one uvicorn process, recorded in its home so that others find it."""

from __future__ import annotations

import gc
import ipaddress
import os
import resource
import secrets
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from bali_platform.api.app import PAGES, PUBLIC, create_app
from bali_platform.api.audit import write_to
from bali_platform.api.backend import Backend, Extension, Submit
from bali_platform.api.guard import Access
from bali_platform.api.protocol import BoundedProtocol
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.files import write_atomically
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings
from bali_platform.services.home import Home

TOKEN_VARIABLE = "BALI_API_TOKEN"  # noqa: S105 (its name, not its value)
MIN_TOKEN_LENGTH = 16
MAX_CONNECTIONS = 1_000
OPEN_FILES = 8_192
KEEP_ALIVE_S = 75  # longer than most clients', so that none asks on a connection that is closing
STOP_WITHIN_S = 3
SWITCH_INTERVAL_S = 0.0005
YOUNG = gc.get_threshold()[:2]
LOOKS_AT_YOUNG = 1_000  # before Python looks for garbage among old objects too; it is 10 elsewhere


def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int | None = None,
    submit: Submit | None = None,
    extensions: Sequence[Extension] = (),
    reporter: Reporter = QUIET,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: names the home and the services.
        host: address to listen on; anything but loopback makes every request need a token.
        port: 8000, or another free one, by default.
        submit: checks and queues a job; without it the server takes none.
        extensions: make routes beside the server's own.
        reporter: is told the address.

    Raises:
        BaliError: the address cannot be used.
    """
    _allow_open_files()
    # A thread that reads from Neo4j waits this long for Python at each piece that arrives.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    token = token_for(settings, host)
    backend = Backend(settings, submit)
    origins = tuple(filter(None, map(str.strip, settings.api_origins.split(","))))
    access = Access(token, is_loopback(host), PUBLIC, origins)
    app = create_app(backend, access, extensions)
    with _listen(settings, host, port) as listener:
        bound = listener.getsockname()[1]
        _record(Home(settings.home), bound)
        write_to(Home(settings.home).log("audit"))
        shown = f"[{host}]" if ":" in host else host
        reporter.say(f"BALI answers at http://{shown}:{bound}{PAGES}/ (Ctrl-C stops it)")
        if token:
            reporter.say(f"token: {TOKEN_VARIABLE}, or in {_token_file(settings)}")
        # Looking through all that is kept takes tens of milliseconds, in which nobody is answered.
        gc.freeze()
        gc.set_threshold(*YOUNG, LOOKS_AT_YOUNG)
        _Server(app, backend).run(sockets=[listener])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_for(settings: Settings, host: str) -> str | None:
    """Return the token that requests must carry: ``BALI_API_TOKEN``, else one kept in the home.

    On loopback none is needed unless the variable is set.
    """
    if given := os.environ.get(TOKEN_VARIABLE):
        if len(given) < MIN_TOKEN_LENGTH or not given.isascii():
            raise UsageError(f"{TOKEN_VARIABLE} needs at least {MIN_TOKEN_LENGTH} ASCII characters")
        return given
    if is_loopback(host):
        return None
    path = _token_file(settings)
    if not path.exists():
        write_atomically(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii").strip()


class _Server(uvicorn.Server):
    """Ends event streams at once when it is asked to stop."""

    def __init__(self, app: Any, backend: Backend) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
        super().__init__(config)
        self._backend = backend

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note a signal."""
        self._backend.closing.set()
        super().handle_exit(sig, frame)


def _listen(settings: Settings, host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = Home(settings.home).ports["api"]
    for candidate in [port] if port is not None else [last, 0]:
        try:
            return socket.create_server((host, candidate), family=family, backlog=1024)
        except OSError as error:
            reason = error.strerror
    raise BaliError(f"cannot listen on {host} port {port}: {reason}; choose another with --port")


def _allow_open_files() -> None:
    """Have room for every connection; many systems allow a process no more than 1,024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, OPEN_FILES)), hard))


def _record(home: Home, port: int) -> None:
    """Let `bali status` and `bali down` find this process."""
    with home.exclusive():
        taken = home.process("api").find() is not None
        home.process(f"api-{os.getpid()}" if taken else "api").adopt(os.getpid())
        home.remember_port("api", port)


def _token_file(settings: Settings) -> Path:
    return settings.home / "api.token"
