"""The Cypher that this package ships: ``queries/<name>.cypher``, each opening with a comment."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import LiteralString

from bali_platform.errors import UsageError, did_you_mean

__all__ = ["statement", "statement_names"]

_FOLDER = files("bali_platform.graph") / "queries"


@cache
def statement(name: str) -> LiteralString:
    """Return the statement of ``queries/<name>.cypher``; raises :class:`UsageError` if unknown."""
    if name not in statement_names():
        raise UsageError(f"no statement '{name}'{did_you_mean(name, statement_names())}")
    return (_FOLDER / f"{name}.cypher").read_text(encoding="utf-8")


@cache
def statement_names() -> tuple[str, ...]:
    """Return the names of all shipped statements, sorted."""
    return tuple(
        sorted(
            entry.name.removesuffix(".cypher")
            for entry in _FOLDER.iterdir()
            if entry.name.endswith(".cypher")
        )
    )
