"""The doctor finds what is wrong, one line each, and says what to type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from bali.cli.main import app
from bali_platform.base.settings import Settings
from bali_platform.services import doctor
from bali_platform.services.doctor import Finding, examine

pytestmark = pytest.mark.services


def wrong(settings: Settings) -> dict[str, str]:
    return {found.subject: found.remedy for found in examine(settings) if not found.fine}


def test_a_home_that_is_down_says_what_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALI_HOME", str(tmp_path))
    tmp_path.chmod(0o755)
    assert wrong(Settings(home=tmp_path)) == {
        "permissions": f"chmod go= '{tmp_path}'",
        "Redis": "bali up",
        "Neo4j": "bali up",
    }
    answer = CliRunner().invoke(app, ["doctor"])
    assert answer.exit_code == 1
    assert "WRONG Neo4j: no answer from bolt://127.0.0.1:" in answer.stdout
    assert '"remedy": "bali up"' in CliRunner().invoke(app, ["doctor", "--json"]).stdout


def test_running_services_are_examined(
    services: Any, settings: Settings, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.execute_query("MATCH (n) DETACH DELETE n")
    assert wrong(settings) == {"graph": "bali load RELEASE"}
    found = {finding.subject: finding.found for finding in examine(settings)}
    assert "community edition" in found["Neo4j"]
    assert "MiB for a graph of" in found["page cache"]
    for limit in ("LEAST_DISK", "LEAST_MEMORY", "LEAST_CACHED"):
        monkeypatch.setattr(doctor, limit, 1 << 60)
    monkeypatch.setattr(doctor, "MOST_SKEW_S", -1.0)
    remedies = wrong(settings)
    assert remedies["page cache"].startswith("set BALI_NEO4J_MEMORY_MB=")
    assert {"disk of BALI_HOME", "memory", "clock of Redis", "clock of Neo4j"} <= remedies.keys()


def test_a_graph_without_its_indexes_is_found(
    services: Any, settings: Settings, driver: Any
) -> None:
    driver.execute_query("MATCH (n) DETACH DELETE n")
    driver.execute_query("DROP INDEX concept_names IF EXISTS")
    driver.execute_query("CREATE (:Release {version: '1', graph_version: 'g1'})")
    (indexes,) = [found for found in examine(settings) if found.subject == "indexes"]
    assert "missing or not online" in indexes.found
    assert "concept_names" in indexes.found


def test_another_redis_and_a_leftover_process_are_found(tmp_path: Path, mortal_redis: Any) -> None:
    mortal_redis.client().config_set("maxmemory-policy", "allkeys-lru")
    settings = Settings(
        home=tmp_path / "home",
        redis_url=SecretStr(mortal_redis.url),
        neo4j_uri="bolt://127.0.0.1:1",
    )
    stray = f"--home-dir={settings.home / 'neo4j' / 'neo4j'}"
    command = [sys.executable, "-c", "import time; time.sleep(60)", stray]
    with subprocess.Popen(command) as left:
        try:
            remedies = wrong(settings)
        finally:
            left.kill()
    assert remedies == {
        "leftover process": f"kill {left.pid}",
        "Redis keeps": "`redis-cli config set maxmemory-policy noeviction`",
        "Neo4j": "check its address and password in the settings",
    }


def test_a_finding_is_fine_without_a_remedy() -> None:
    assert Finding("disk", "much").fine
    assert not Finding("disk", "little", "make room").fine
