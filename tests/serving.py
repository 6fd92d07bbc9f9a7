"""``bali serve`` as a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bali_platform.base.settings import Settings
from bali_platform.services.workers import settings_environment


@contextmanager
def run_server(settings: Settings, *options: str, **environment: str) -> Iterator[str]:
    """Run ``bali serve`` and give its address."""
    command = [sys.executable, "-m", "bali", "serve", "--port", "0", *options]
    variables = {**os.environ, **settings_environment(settings), **environment}
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            told = server.stderr.readline()
            found = re.search(r":(\d+)/", told)
            assert found, told + server.stderr.read()
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            server.terminate()
            server.communicate(timeout=20)
