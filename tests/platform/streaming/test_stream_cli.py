"""``bali stream replay`` on recordings whole and broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bali_platform.streaming import BatchKey, InlineSource, Recorder, encode

KEYS = [BatchKey(epoch, index) for epoch in range(2) for index in range(5)]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    source = InlineSource(lambda key: encode({"index": np.array([key.index])}))
    path = tmp_path / "run.batches"
    for _ in Recorder(source, path).batches(KEYS):
        pass
    return path


def replay(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bali", "stream", "replay", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_whole_recording_is_read_through(recording: Path) -> None:
    result = json.loads(replay(recording, "--json").stdout)
    assert (result["batches"], result["epochs"], result["ranks"]) == (10, 2, 1)
    assert "batches per second" in replay(recording).stdout


def test_a_cut_recording_needs_consent(recording: Path) -> None:
    whole = recording.read_bytes()
    recording.write_bytes(whole[: len(whole) // 2])
    refused = replay(recording)
    assert refused.returncode == 1
    assert "was cut short: record it again" in " ".join(refused.stderr.split())
    assert 0 < json.loads(replay(recording, "--partial", "--json").stdout)["batches"] < 10


def test_what_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    missing = replay(tmp_path / "nothing")
    assert missing.returncode == 1
    assert "No such file" in missing.stderr
    assert "Traceback" not in missing.stderr
