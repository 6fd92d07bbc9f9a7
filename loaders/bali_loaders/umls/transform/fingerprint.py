"""Name a graph by what is in it: the release's bytes, the load options, the schema."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bali_loaders.releases import Release
from bali_loaders.umls.options import LoadOptions
from bali_loaders.umls.transform.tables import files_read
from bali_platform.base.progress import QUIET, Reporter

SCHEMA = 3


def graph_version(release: Release, options: LoadOptions, reporter: Reporter = QUIET) -> str:
    """Return 16 hexadecimal digits that differ whenever the graph might.

    Reads every byte of the files that a load reads.
    """
    names = sorted(files_read(options) & release.files.keys())
    paths = [path for name in names for path in release.local(name)]
    asked = f"{SCHEMA}\n{release.version}\n{options.model_dump_json()}\n"
    total = hashlib.blake2b(asked.encode(), digest_size=16)
    with (
        reporter.step("fingerprint the release", len(paths)) as step,
        ThreadPoolExecutor(max_workers=2) as pool,
    ):
        for digest in pool.map(_hash, paths):
            total.update(digest)
            step.advance()
    for name in names:
        total.update(f"{name} {release.files[name].columns}\n".encode())
    return total.hexdigest()[:16]


def _hash(path: Path) -> bytes:
    with path.open("rb") as stream:  # processors have instructions for SHA-256
        return hashlib.file_digest(stream, "sha256").digest()
