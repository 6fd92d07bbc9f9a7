"""The Cypher that this package ships.

``queries/<name>.cypher`` are the statements that the code runs, each opening with a comment.
``queries/favourites/<name>.cypher`` are for people: the first line is a title, the next ones say
what the parameters are. The Neo4j Browser ships the same files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from bali_platform.base.errors import UsageError, did_you_mean

_FOLDER = files("bali_platform.graph") / "queries"
_COMMENT = re.compile(r"//[^\n]*")
_PARAMETER = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Favourite:
    """A shipped query for people."""

    name: str
    title: str
    text: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters, in order of first use."""
        return tuple(dict.fromkeys(_PARAMETER.findall(_COMMENT.sub("", self.text))))

    def check(self, parameters: dict[str, object]) -> None:
        """Raise :class:`UsageError` unless exactly its parameters are given."""
        if missing := [name for name in self.parameters if name not in parameters]:
            raise UsageError(f"query '{self.name}' needs --param {missing[0]}=VALUE")
        for name in parameters:
            if name not in self.parameters:
                hint = did_you_mean(name, self.parameters)
                raise UsageError(f"query '{self.name}' has no parameter '{name}'{hint}")


@cache
def statement(name: str) -> str:
    """Return the statement ``name``; raises :class:`UsageError` if there is none."""
    if name not in statement_names():
        raise UsageError(f"no statement '{name}'{did_you_mean(name, statement_names())}")
    return (_FOLDER / f"{name}.cypher").read_text(encoding="utf-8")


@cache
def statement_names() -> tuple[str, ...]:
    """Return the names of all statements, sorted."""
    return _names(_FOLDER.iterdir())


@cache
def favourites() -> tuple[Favourite, ...]:
    """Return all favourites, sorted by name."""
    folder = _FOLDER / "favourites"
    found = []
    for name in _names(folder.iterdir()):
        text = (folder / f"{name}.cypher").read_text(encoding="utf-8")
        found.append(Favourite(name, text.split("\n")[0].removeprefix("//").strip(), text))
    return tuple(found)


def favourite(name: str) -> Favourite:
    """Return the favourite ``name``; raises :class:`UsageError` if there is none."""
    known = {query.name: query for query in favourites()}
    if name not in known:
        raise UsageError(
            f"no query '{name}'{did_you_mean(name, known)}: `bali query` lists them all"
        )
    return known[name]


def _names(entries: Iterable[Traversable]) -> tuple[str, ...]:
    found = (entry.name for entry in entries if entry.name.endswith(".cypher"))
    return tuple(sorted(name.removesuffix(".cypher") for name in found))
