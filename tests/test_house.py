"""Rules of the house that no linter knows."""

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TRACKED = subprocess.run(
    ["git", "ls-files"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split()


def test_platform_is_the_standard_librarys() -> None:
    assert Path(platform.__file__).parent == Path(sysconfig.get_path("stdlib"))


@pytest.mark.parametrize("folder", ["platform", "loaders", "trainers"])
def test_top_folders_are_not_packages(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_module_shadows_the_standard_library() -> None:
    modules = {Path(name).stem for name in TRACKED if "/bali_" in name and name.endswith(".py")}
    package_level = {
        Path(name).stem
        for name in TRACKED
        if name.endswith(".py") and Path(name).parent.name in {"platform", "loaders", "trainers"}
    }
    assert modules
    assert not package_level & sys.stdlib_module_names


def test_nothing_licensed_or_fetched_is_tracked() -> None:
    data = {".RRF", ".zip", ".safetensors", ".bin", ".pt", ".whl", ".jar", ".pubtator", ".parquet"}
    assert [name for name in TRACKED if Path(name).suffix in data] == []


def test_import_directions() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint_imports], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_module_and_console_script_are_the_same_command() -> None:
    script = Path(sys.executable).with_name("bali")
    runs = [
        subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
        for command in ([str(script)], [sys.executable, "-m", "bali"])
    ]
    assert runs[0] == runs[1]
    assert "Services" in runs[0]


def test_misspelt_setting_suggests_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "bali.toml").write_text('neo4j_url = "bolt://localhost"\n')
    result = subprocess.run(
        [sys.executable, "-m", "bali", "status"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "neo4j_url" in result.stderr
    assert "neo4j_uri" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
