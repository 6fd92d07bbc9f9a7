from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.loaders.umls.small import small_release, write_release
from typer.testing import CliRunner

from bali.cli.main import app
from bali_loaders.umls import Loaded
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings


@pytest.fixture
def in_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("BALI_HOME", str(tmp_path / "home"))
    return tmp_path


def error_of(*arguments: str) -> BaseException | None:
    return CliRunner().invoke(app, list(arguments)).exception


def test_release_must_be_named(in_home: Path) -> None:
    error = error_of("load")
    assert isinstance(error, UsageError)
    assert "which RELEASE?" in str(error)


def test_folder_without_a_release_is_refused(in_home: Path) -> None:
    error = error_of("load", str(in_home))
    assert isinstance(error, UsageError)
    assert "no MRCONSO.RRF" in str(error)


def test_unknown_source_is_refused(in_home: Path) -> None:
    release = write_release(in_home, small_release())
    error = error_of("load", str(release), "--source", "S11")
    assert isinstance(error, UsageError)
    assert "did you mean 'S1'?" in str(error)


def test_hierarchies_that_are_missing_are_not_needed(in_home: Path) -> None:
    release = write_release(in_home, small_release() | {"MRHIER": [{"CUI": "C1"}]})
    (release / "META" / "MRHIER.RRF").unlink()
    told = str(error_of("load", str(release)))
    assert "counts rows of MRHIER" in told
    assert told.endswith("or load without by --preset lean")


def test_unknown_preset_is_refused(in_home: Path) -> None:
    assert CliRunner().invoke(app, ["load", str(in_home), "--preset", "fast"]).exit_code == 2


def test_rollback_needs_a_previous_graph(in_home: Path) -> None:
    error = error_of("load", "--rollback")
    assert isinstance(error, BaliError)
    assert "no previous graph" in str(error)


def test_a_server_that_is_named_is_imported_into_online(
    in_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = str(write_release(in_home, small_release()))
    error = error_of("load", release, "--online")
    assert isinstance(error, UsageError)
    assert "the server that BALI_NEO4J_URI names" in str(error)
    monkeypatch.setenv("BALI_NEO4J_URI", "bolt://graph.example.org")
    error = error_of("load", release)
    assert isinstance(error, UsageError)
    assert "import into it with --online" in str(error)
    error = error_of("load", release, "--online", "--force")
    assert isinstance(error, UsageError)
    assert "replaces nothing" in str(error)


@pytest.mark.services
def test_loaded_graph_is_reported_and_verified(
    module_settings: Settings,
    release: Path,
    loaded: Loaded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bali_platform import services

    services.up(module_settings)
    monkeypatch.setenv("BALI_HOME", str(module_settings.home))
    monkeypatch.setenv("BALI_CACHE", str(module_settings.cache))
    shown = CliRunner().invoke(app, ["load", str(release), "--preset", "lean"])
    assert shown.exit_code == 0
    assert "5 kept; 3 merged; 1 concept not loaded" in shown.stdout
    assert "live already" in shown.stdout
    again = CliRunner().invoke(app, ["load", str(release), "--preset", "lean", "--json"])
    report = json.loads(again.stdout)
    assert report["already_live"]
    assert report["files"]["MRCONSO"] == {"kept": 7, "language": 2, "suppressed": 1}
    verified = CliRunner().invoke(app, ["verify", str(release), "--json"])
    assert json.loads(verified.stdout)["passed"]
