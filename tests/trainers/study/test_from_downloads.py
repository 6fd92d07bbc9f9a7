"""``make study``: the commands that lead from downloads to a report, and none of them twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MAKEFILE = Path(__file__).parents[3] / "Makefile"


def commands(folder: Path) -> list[str]:
    """Return what ``make study`` would run in a folder, without running it."""
    command = [
        "make",
        "-n",
        "--no-print-directory",
        "-f",
        str(MAKEFILE),
        "-o",
        f"{sys.prefix}/.installed",
    ]
    found = subprocess.run(
        [*command, f"VENV={sys.prefix}", "study", "STUDY=hour"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    lines = found.stdout.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()).removeprefix(f"{sys.prefix}/bin/") for line in lines]


def test_a_study_is_made_from_downloads_and_nothing_twice(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    for name in ("medmentions-all.jsonl.gz", "ncbi-dev.pubtator", "mesh2cui.tsv"):
        (downloads / name).touch()
    codes = "--codes downloads/mesh2cui.tsv"
    given = "downloads/medmentions-all.jsonl.gz --output corpora/medmentions-all"
    assert commands(tmp_path) == [
        "bali release open open-release",
        "bali load open-release",
        "touch open-release/.loaded",
        "bali up",
        f"bali corpus import {given} {codes}",
        "bali corpus split corpora/medmentions-all --output corpora/medmentions",
        f"bali corpus import downloads/ncbi-dev.pubtator --output corpora/ncbi-dev {codes}",
        "bali study run hour",
    ]
    for done in ("open-release/.loaded", "corpora/medmentions-all", "corpora/medmentions"):
        (tmp_path / done).mkdir(parents=True)
    (downloads / "ncbi-dev.pubtator").unlink()
    assert commands(tmp_path) == ["bali up", "bali study run hour"]
