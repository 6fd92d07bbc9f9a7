"""The folder of an installation is its owner's alone, whoever makes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bali_platform.services.control import PROCESSES
from bali_platform.services.home import Home


@pytest.mark.parametrize("make", [lambda home: home.password("redis"), lambda home: _lock(home)])
def test_whoever_makes_the_folder_keeps_others_out(
    tmp_path: Path, make: Callable[[Home], object]
) -> None:
    home = Home(tmp_path / "new" / "home")
    make(home)
    assert home.root.stat().st_mode & 0o777 == 0o700


def test_trainers_stop_while_somebody_still_builds_their_batches() -> None:
    assert PROCESSES.index("worker-gpu") < PROCESSES.index("worker-subgraphs")


def _lock(home: Home) -> None:
    with home.exclusive():
        pass
