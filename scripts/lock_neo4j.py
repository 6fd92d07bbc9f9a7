"""Write the list of jars that make up the local Neo4j: ``python scripts/lock_neo4j.py VERSION``.

Run it to move to another Neo4j 5.26 release. It resolves the server and its Browser, downloads
every jar once, and writes name, size and sha256 of each to the package's ``neo4j.lock``.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.maven import Dependency, MavenContext, PythonResolver

BROWSER = "org.neo4j.client:neo4j-browser:5.24.0"
LOCK = Path(__file__).parents[1] / "platform/bali_platform/services/neo4j.lock"


def lock_line(dependency: Dependency) -> str:
    """Download one jar and describe it as ``group:artifact:version[:classifier] size sha256``."""
    artifact = dependency.artifact
    content = artifact.resolve().read_bytes()
    parts = [artifact.groupId, artifact.artifactId, artifact.version, artifact.classifier]
    name = ":".join(part for part in parts if part)
    return f"{name} {len(content)} {hashlib.sha256(content).hexdigest()}"


def main(version: str) -> None:
    """Resolve ``version`` and rewrite the lock list."""
    roots = [f"org.neo4j:neo4j:{version}", f"org.neo4j.app:neo4j-server:{version}", BROWSER]
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(PythonResolver(), Path(folder), timeout=60)
        dependencies = [context.create_dependency(root) for root in roots]
        inputs, transitive = context.resolver.resolve(dependencies)
        with ThreadPoolExecutor(8) as pool:
            lines = sorted(pool.map(lock_line, inputs + transitive))
    LOCK.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
