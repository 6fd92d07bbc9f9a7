"""The py2neo bridge, in processes of its own: py2neo leaves sockets to the garbage collector."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from bali_platform.base.settings import Settings

NOWHERE = {"BALI_NEO4J_URI": "neo4j://127.0.0.1:1", "BALI_REDIS_URL": "redis://127.0.0.1:1"}
CONNECT = """
import json, sys
from bali_platform.base.errors import BaliError
from bali_platform.graph.py2neo_bridge import connect_py2neo
try:
    graph = connect_py2neo()
except BaliError as error:
    sys.exit(str(error))
"""


def run(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.services
def test_cypher_nodes_and_data_frames(seeded, settings: Settings) -> None:
    script = f"""{CONNECT}
row = graph.run(
    "MATCH (c:Concept {{cui: $cui}})<-[r:ISA]-(n) RETURN c, count(r) AS kinds", cui="C0000010"
).data()[0]
table = graph.run("MATCH (c:Concept) RETURN c.cui AS cui ORDER BY cui").to_data_frame()
print(json.dumps([row["c"]["name"], row["kinds"], list(table["cui"])]))
"""
    result = run(script, {"BALI_HOME": str(settings.home)})
    assert result.returncode == 0, result.stderr
    name, kinds, cuis = json.loads(result.stdout)
    assert name == "Myocardial infarction"
    assert kinds == sum(f.type == "ISA" and f.target == "C0000010" for f in seeded.facts)
    assert cuis == sorted(seeded.names)


def test_server_that_is_down() -> None:
    result = run(CONNECT, NOWHERE)
    assert result.returncode == 1
    assert result.stderr == "cannot reach Neo4j at neo4j://127.0.0.1:1: run `bali up`\n"


def test_without_py2neo_says_what_to_install() -> None:
    result = run(f"import sys\nsys.modules['py2neo'] = None\n{CONNECT}", NOWHERE)
    assert result.stderr == "py2neo is not installed: pip install 'bali[py2neo]'\n"
