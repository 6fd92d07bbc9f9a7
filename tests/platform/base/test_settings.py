"""Settings: a misspelt one is refused, wherever it stands."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bali_platform.base.errors import UsageError
from bali_platform.base.settings import OTHER_VARIABLES, load_settings


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("BALI_REDIS_PASWORD", "did you mean 'BALI_REDIS_PASSWORD'"),
        ("BALI_NEO4J_URL", "did you mean 'BALI_NEO4J_URI'"),
        ("BALI_XYZZY", "unset it"),
    ],
)
def test_an_unknown_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(UsageError, match=f"{name}: there is no such setting.*{hint}"):
        load_settings()


def test_variables_of_single_commands_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OTHER_VARIABLES:
        monkeypatch.setenv(name, "1")
    load_settings()


def test_an_unknown_key_of_the_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bali.toml").write_text("redis_hots = 'h'\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"redis_hots.*did you mean 'redis_host'"):
        load_settings()


def test_a_new_home_is_its_owners_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    monkeypatch.setenv("BALI_HOME", str(home))
    before = os.umask(0)
    try:
        load_settings()
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        home.chmod(0o750)
        load_settings()
        assert stat.S_IMODE(home.stat().st_mode) == 0o750, "whoever opened it is let be"
    finally:
        os.umask(before)
