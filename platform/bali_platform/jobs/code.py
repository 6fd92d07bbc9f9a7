"""Which code a job runs on: batches and weights are only the same where this is."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

from bali_platform import __version__

# The parts that batches and weights depend on; command line, API and evaluation change freely.
_PARTS = {
    "bali_platform": ("base/consecutive.py", "graph", "jobs", "streaming", "subgraphs", "text"),
    "bali_trainers": (".",),
}
_APART = {"bali_trainers": ("evaluation", "inference/explain", "study")}
_SOURCES = ("*.py", "*.cypher")


@cache
def code_version() -> str:
    """Return the version of the code that this process runs: release and digest.

    It is what lay on disk when the process first asked.
    """
    return code_version_on_disk()


def code_version_on_disk() -> str:
    """Return the version that a process started now would run, like ``0.1.0+3f9a0c71``."""
    digest = blake2b(digest_size=4)
    for package, parts in _PARTS.items():
        root = _folder(package)
        apart = [root / part for part in _APART.get(package, ())]
        for path in sorted(path for part in parts for path in _sources(root / part)):
            if any(path.is_relative_to(folder) for folder in apart):
                continue
            digest.update(f"{package}/{path.relative_to(root).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return f"{__version__}+{digest.hexdigest()}"


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"package {package} is not installed")
    return Path(spec.submodule_search_locations[0])


def _sources(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [found for pattern in _SOURCES for found in path.rglob(pattern)]
