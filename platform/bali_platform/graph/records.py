"""What the graph answers with: small frozen records, all of plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from bali_platform.base.errors import BaliError

if TYPE_CHECKING:
    import pandas
    from _typeshed import DataclassInstance


T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept as loaded. ``names`` starts with the preferred ``name``; the rest, best first."""

    cui: str
    name: str
    names: tuple[str, ...]
    definition: str | None
    semantic_types: tuple[str, ...]
    groups: tuple[str, ...]
    sources: tuple[str, ...]
    suppressed: bool


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A concept that a search found, and the name of it that matched best."""

    cui: str
    name: str
    matched: str
    semantic_types: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One edge seen from a concept: ``outgoing`` when it points from the concept to ``cui``."""

    cui: str
    name: str
    semantic_types: tuple[str, ...]
    type: str
    outgoing: bool
    sources: tuple[str, ...]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Successor:
    """What takes a retired concept's place, and how: SY for the same meaning."""

    cui: str
    name: str
    rel: str


@dataclass(frozen=True, slots=True)
class History:
    """What became of a CUI: ``live``, or why it is gone, since which release, and to where."""

    cui: str
    status: str
    name: str
    release: str
    successors: tuple[Successor, ...] = ()

    @property
    def told(self) -> str:
        """The answer in a line."""
        if self.status == "live":
            return f"{self.cui} is live: {self.name}"
        since = f" after {self.release}" if self.release else ""
        to = "; ".join(f"{s.cui} ({s.name}, {s.rel})" for s in self.successors)
        fate = f"see {to}" if to else "nothing takes its place"
        return f"{self.cui} is retired ({self.status}{since}): {fate}"


@dataclass(frozen=True, slots=True)
class Node:
    """A concept in a path or subgraph; ``hop`` is the step that reached it, 0 for the start."""

    cui: str
    name: str
    semantic_types: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    hop: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A stored edge, ``(source)-[type]->(target)``, and every vocabulary that asserts it."""

    source: str
    target: str
    type: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """Concepts in walking order; ``links[i]`` joins ``nodes[i]`` and the next, either way."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]


class Records(list[T]):
    """A list of records that a notebook shows as a table."""

    def to_pandas(self) -> pandas.DataFrame:
        """Return a data frame with one row a record."""
        return frame(asdict(record) for record in self)

    def _repr_html_(self) -> str:
        return self.to_pandas().to_html()


def frame(rows: Iterable[dict[str, Any]]) -> pandas.DataFrame:
    """Return a pandas data frame of ``rows``; raises :class:`BaliError` without pandas."""
    try:
        import pandas
    except ImportError as error:
        raise BaliError("data frames need pandas: pip install pandas") from error
    return pandas.DataFrame(list(rows))
