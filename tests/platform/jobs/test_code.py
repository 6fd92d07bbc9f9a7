"""The version of what batches and weights depend on: it changes with that and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bali_platform.jobs.code import code_version_on_disk, digest_of, recipe

FILES = {
    "__init__.py": "",
    "start.py": '"""Starts."""\nfrom toys.rooms import build\nimport toys.outside_is_not_there\n',
    "rooms/__init__.py": "from .builder import build\n",
    "rooms/builder.py": "def build():\n    from ..late import step\n    return step(1)  # one\n",
    "rooms/find.cypher": "MATCH (n) RETURN n",
    "late.py": "def step(n):\n    '''Step.'''\n    return n + 1\n",
    "apart.py": "from toys.late import step\nwide = 1\n",
}


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / "toys" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "toys" / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "toys"
    sys.modules.pop("toys", None)


def version() -> str:
    return digest_of(recipe(["toys.start"]))


@pytest.mark.parametrize(
    ("name", "old", "new", "counts"),
    [
        ("late.py", "n + 1", "n + 2", True),
        ("rooms/builder.py", "step(1)", "step(2)", True),
        ("rooms/__init__.py", "build\n", "build\nx = 1\n", True),
        ("rooms/find.cypher", "(n)", "(m)", True),
        ("start.py", "Starts", "Begins", False),
        ("late.py", "Step", "Goes on", False),
        ("rooms/builder.py", "# one", "# a step", False),
        ("apart.py", "wide = 1", "wide = 2", False),
    ],
)
def test_what_counts(toys: Path, name: str, old: str, new: str, counts: bool) -> None:
    before = version()
    text = (toys / name).read_text()
    assert old in text
    (toys / name).write_text(text.replace(old, new))
    assert (version() != before) == counts


def test_the_project_itself() -> None:
    groups = ("bali.programs", "bali.tasks")
    programs = [found.value for group in groups for found in entry_points(group=group)]
    found = recipe(programs)
    for part in ("bali_platform.text.abbreviations", "bali_trainers.batches.builder",
                 "bali_trainers.training.loop", "queries/neighbourhoods.cypher",
                 "subgraphs/store.lua"):  # fmt: skip
        assert part in found
    for part in ("bali_trainers.study.run", "bali_trainers.evaluation", "bali_platform.api.app"):
        assert part not in found
    assert code_version_on_disk() == digest_of(found)
