"""Work that is done again and again beside other work."""

from __future__ import annotations

import threading

import pytest

from bali_platform.base.repeating import repeated


def test_work_is_done_until_the_block_ends() -> None:
    turns: list[str] = []
    again = threading.Event()

    def work() -> None:
        turns.append(threading.current_thread().name)
        if len(turns) == 3:
            again.set()

    with pytest.raises(RuntimeError), repeated(work, 0.001, "turns"):
        assert again.wait(30)
        raise RuntimeError
    assert set(turns) == {"turns"}
    assert "turns" not in {thread.name for thread in threading.enumerate()}
