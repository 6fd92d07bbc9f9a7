"""What a linker knows of concepts beside their names: types, groups, sources, neighbours."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError, UsageError, did_you_mean
from bali_platform.base.files import new_folder

Kind = Literal["types", "groups", "sources"]
KINDS: tuple[Kind, ...] = ("types", "groups", "sources")
FORMAT = 2
"""Changes whenever the same graph would compile to other arrays."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ConceptFacts:
    """The concepts of a graph as arrays that open in no time, by ascending CUI.

    Attributes:
        labels: Names of semantic types, groups and sources, each with its kind before it.
        cuis: [C] concepts, as bytes.
        names: UTF-8 bytes of all preferred names.
        name_offsets: [C + 1] where each begins.
        label: [L] indices into ``labels``.
        label_offsets: [C + 1] where those of each concept begin.
        neighbour: [N] indices of concepts that share an edge, each edge once a direction.
        neighbour_offsets: [C + 1] where those of each concept begin.
        same: [S] the same of concepts that a source says are the same thing (SY, same_as).
        same_offsets: [C + 1] where those of each concept begin.
    """

    labels: tuple[str, ...]
    cuis: NDArray[np.bytes_]
    names: NDArray[np.uint8]
    name_offsets: NDArray[np.int64]
    label: NDArray[np.int16]
    label_offsets: NDArray[np.int64]
    neighbour: NDArray[np.int32]
    neighbour_offsets: NDArray[np.int64]
    same: NDArray[np.int32]
    same_offsets: NDArray[np.int64]

    def name(self, concept: int) -> str:
        """Return the preferred name of a concept, by index."""
        start, end = self.name_offsets[concept : concept + 2]
        return self.names[start:end].tobytes().decode()

    def neighbours(self, concept: int) -> NDArray[np.int32]:
        """Return the concepts that share an edge with one, ascending, all by index."""
        start, end = self.neighbour_offsets[concept : concept + 2]
        return self.neighbour[start:end]

    def same_as(self, concept: int) -> NDArray[np.int32]:
        """Return the concepts that are the same thing as one, ascending, all by index."""
        start, end = self.same_offsets[concept : concept + 2]
        return self.same[start:end]

    def having(self, kind: Kind, values: Collection[str]) -> Mask:
        """Tell which concepts, [C], have one of the values; case does not count.

        Raises :class:`UsageError` for a value that no concept has.
        """
        own = {
            label.split(":", 1)[1]: at
            for at, label in enumerate(self.labels)
            if label.startswith(f"{kind}:")
        }
        folded = {label.casefold(): at for label, at in own.items()}
        for value in values:
            if value.casefold() not in folded:
                hint = did_you_mean(value, sorted(own))
                raise UsageError(f"no concept of the graph has '{value}' among its {kind}{hint}")
        wanted = np.array([folded[value.casefold()] for value in values])
        rows = np.flatnonzero(np.isin(self.label, wanted))
        mask = np.zeros(len(self.cuis), dtype=bool)
        mask[np.searchsorted(self.label_offsets, rows, side="right") - 1] = True
        return mask


def compile_facts(rows: Iterable[Mapping[str, Any]], folder: Path) -> ConceptFacts:
    """Compile the rows of ``concept_facts.cypher`` into ``folder``, replacing what is there."""
    arrays, labels = _compile(rows)
    with new_folder(folder) as building:
        for name, array in arrays.items():
            np.save(building / f"{name}.npy", array)
        (building / "facts.json").write_text(json.dumps(labels), encoding="utf-8")
    return open_facts(folder)


def open_facts(folder: Path) -> ConceptFacts:
    """Map compiled facts into memory; raises :class:`BaliError` when there are none."""
    try:
        labels = tuple(json.loads((folder / "facts.json").read_text("utf-8")))
        arrays: dict[str, Any] = {
            path.stem: np.asarray(np.load(path, mmap_mode="r")) for path in folder.glob("*.npy")
        }
        return ConceptFacts(labels, **arrays)
    except (OSError, ValueError, TypeError) as error:
        raise BaliError(f"{folder} holds no compiled facts ({error}): delete it") from None


def _compile(
    rows: Iterable[Mapping[str, Any]],
) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    numbers: dict[str, int] = {}
    cuis: list[str] = []
    names: list[bytes] = []
    label: list[int] = []
    label_counts: list[int] = []
    edges: list[list[str]] = []
    same: list[list[str]] = []
    for row in rows:
        own = [f"{kind}:{value}" for kind in KINDS for value in row[kind] or ()]
        label += [numbers.setdefault(name, len(numbers)) for name in own]
        label_counts.append(len(own))
        edges.append(row["neighbours"])
        same.append(row["same"])
        cuis.append(row["cui"])
        names.append(row["name"].encode())
    neighbour, neighbour_offsets = _adjacency(cuis, edges)
    same_as, same_offsets = _adjacency(cuis, same)
    arrays: dict[str, NDArray[np.generic]] = {
        "cuis": np.array([cui.encode() for cui in cuis]),
        "names": np.frombuffer(b"".join(names), dtype=np.uint8),
        "name_offsets": _offsets([len(name) for name in names]),
        "label": np.array(label, dtype=np.int16),
        "label_offsets": _offsets(label_counts),
        "neighbour": neighbour,
        "neighbour_offsets": neighbour_offsets,
        "same": same_as,
        "same_offsets": same_offsets,
    }
    return arrays, list(numbers)


def _adjacency(
    cuis: list[str], edges: list[list[str]]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    index = {cui: at for at, cui in enumerate(cuis)}
    source = np.repeat(np.arange(len(edges)), [len(others) for others in edges])
    target = np.array([index[cui] for others in edges for cui in others], dtype=np.int64)
    both = np.unique(
        np.stack([np.append(source, target), np.append(target, source)], axis=1), axis=0
    ).astype(np.int64)
    return both[:, 1].astype(np.int32), _offsets(np.bincount(both[:, 0], minlength=len(cuis)))


def _offsets(counts: Any) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
