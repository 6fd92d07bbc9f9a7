"""The built distribution, installed as people install it: unpinned, outside of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bali_platform.base.settings import load_settings

ROOT = Path(__file__).parent.parent
DATA = (
    "bali_platform/graph/queries/concepts.cypher",
    "bali_platform/graph/browser/start.html",
    "bali_platform/api/pages/index.html",
    "bali_platform/services/neo4j.lock",
    "bali_platform/subgraphs/store.lua",
    "bali_loaders/releases/standard/columns.rrf",
    "bali_loaders/umls/transform/sql/outputs/concepts.sql",
    "bali_trainers/training/configs/demo.toml",
    "bali_trainers/study/studies/hour.toml",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheel and source distribution."""
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def bali(
    built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Run the installed ``bali`` in an empty folder; no constraints chose its dependencies."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "clean"], cwd=folder, check=True)
    [wheel] = built.glob("*.whl")
    install = [folder / "clean/bin/python", "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run(install, cwd=folder, check=True)
    environment = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "BALI_HOME": str(folder / "home"),
        "BALI_CACHE": str(load_settings().cache),
        "BALI_NEO4J_MEMORY_MB": "256",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [folder / "clean/bin/bali", *arguments]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )

    yield run
    run("down")


def test_the_source_distribution_holds_what_builds_the_wheel(built: Path) -> None:
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "platform/bali/__init__.py"} <= names
    assert not any(name.startswith((".venv", "docs/site")) for name in names)


@pytest.mark.services
def test_the_base_installation_loads_and_serves_a_graph(
    bali: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    for command in (
        ("release", "synthetic", "release", "--concepts", "300"),
        ("up",),
        ("load", "release"),
        ("verify", "release"),
        ("cypher", "MATCH (c:Concept) RETURN count(c)"),
    ):
        ended = bali(*command)
        assert ended.returncode == 0, f"bali {' '.join(command)}: {ended.stderr}"


@pytest.mark.services
def test_a_command_that_needs_an_extra_says_which(
    bali: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ended = bali("link", "heart attack")
    assert ended.returncode != 0
    assert "pip install 'bali[train]'" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", DATA)
def test_the_wheel_holds_what_the_code_reads(built: Path, name: str) -> None:
    [wheel] = built.glob("*.whl")
    assert name in zipfile.ZipFile(wheel).namelist()
