"""Recordings: whole or refused, and the same bytes as the source."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_platform.base.errors import BaliError
from bali_platform.streaming import BatchKey, InlineSource, Recorder, ReplaySource

KEYS = [BatchKey(epoch, index, rank) for epoch in range(2) for index in range(3) for rank in (0, 1)]


def build(key: BatchKey) -> bytes:
    return repr(key).encode() * (key.index + 1)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "run.batches"
    recorder = Recorder(InlineSource(build), path, {"spec": {"seed": 7}})
    assert [key for key, _ in recorder.batches(KEYS)] == KEYS
    return path


def test_a_replay_gives_the_bytes_of_the_source_in_any_order(recording: Path) -> None:
    replay = ReplaySource(recording)
    assert replay.notes == {"spec": {"seed": 7}}
    assert replay.keys == KEYS
    backwards = KEYS[::-1]
    assert list(replay.batches(backwards)) == list(InlineSource(build).batches(backwards))


def test_an_abandoned_recording_never_gets_its_name(tmp_path: Path) -> None:
    path = tmp_path / "run.batches"
    batches = Recorder(InlineSource(build), path).batches(KEYS)
    list(islice(batches, 4))
    del batches
    assert not path.exists()
    partial = ReplaySource(tmp_path / "run.batches.partial", partial=True)
    assert list(partial.batches(KEYS[:4])) == list(InlineSource(build).batches(KEYS[:4]))


def test_an_existing_recording_is_never_replaced(recording: Path) -> None:
    with pytest.raises(BaliError, match="exists already"):
        next(Recorder(InlineSource(build), recording).batches(KEYS))


@given(st.data())
def test_a_cut_recording_is_refused_or_used_up_to_its_last_whole_batch(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "run.batches"
    list(Recorder(InlineSource(build), path).batches(KEYS))
    whole = path.read_bytes()
    size = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:size])
    with pytest.raises(BaliError, match=r"was cut short|is not a recording"):
        ReplaySource(path)
    if size >= 16:
        used = ReplaySource(path, partial=True)
        assert used.keys == KEYS[: len(used.keys)]
        assert list(used.batches(used.keys)) == list(InlineSource(build).batches(used.keys))


def test_a_changed_byte_is_noticed(recording: Path) -> None:
    content = bytearray(recording.read_bytes())
    content[content.index(build(KEYS[2]))] ^= 1
    recording.write_bytes(content)
    replay = ReplaySource(recording)
    with pytest.raises(BaliError, match="epoch 0, index 1, rank 0 is damaged"):
        list(replay.batches(KEYS))


def test_a_batch_of_another_run_is_named(recording: Path) -> None:
    with pytest.raises(BaliError, match="no batch of epoch 9, index 0, rank 0"):
        next(ReplaySource(recording).batches([BatchKey(9, 0)]))


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaliError, match="No such file"):
        ReplaySource(tmp_path / "nothing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(BaliError, match="is not a recording"):
        ReplaySource(tmp_path / "text")
