"""The page that explains the method names functions and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")


def sources(folder: str) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\b(test_\w+)(?![\w.])", PAGE))))
def test_a_named_test_exists(name):
    assert f"def {name}(" in sources("tests/trainers")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.py)", PAGE))))
def test_a_named_file_exists(path):
    folders = ["trainers/bali_trainers", "trainers/bali_trainers/models", "tests/trainers"]
    assert any((ROOT / folder / path).is_file() for folder in folders)


@pytest.mark.parametrize(
    "name",
    sorted(
        set(re.findall(r"`(?:[\w/]+\.py: )?([A-Z]\w+|(?!test_)[a-z]+_\w+)(?:\.(?!py)\w+)?`", PAGE))
    ),
)
def test_a_named_function_exists(name):
    assert re.search(rf"\b{name}\b", sources("trainers/bali_trainers"))
