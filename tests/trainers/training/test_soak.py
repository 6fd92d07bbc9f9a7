"""The soak, shortened: what befalls two machines and their servers loses no job."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from benchmarks.soak import AMISS, prepared

from bali_platform.base.settings import Settings

pytestmark = [pytest.mark.mounts, pytest.mark.timeout(1800)]
FAULTS = ["trainer killed", "machine frozen", "redis a second ago", "network cut", "disk full"]


def test_whatever_befalls_jobs_they_end_with_the_undisturbed_weights(
    tmp_path: Path, mount: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(tmp_path / "probe")
    home = tmp_path / "soak"
    monkeypatch.setenv("BALI_HOME", str(home))
    settings = Settings(home=home, store=str(home / "store"), neo4j_memory_mb=256)
    with prepared(settings, random.Random(1), FAULTS) as soak:
        result = soak.summary(soak.runs([*FAULTS]))
    assert result["runs"] == len(FAULTS)
    assert {name: result[name] for name in AMISS} == dict.fromkeys(AMISS, 0), result["each"]
