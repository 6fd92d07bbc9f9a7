"""Which documents of many files are taken: decided before any of them is linked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bali_loaders.corpora.formats import read_documents

LISTED = np.dtype([("id", "<u8"), ("text", "<u8"), ("replaces", "?"), ("empty", "?")])
"""One row a document: hashes of its id and text, and two of its properties."""

Listing = NDArray[np.void]


def list_documents(path: Path) -> Listing:
    """Read a file once and describe its documents, [N] of :data:`LISTED`."""
    rows = (
        (_hash(document.id), _hash(document.text), document.replaces, not document.text.strip())
        for document in read_documents(path)
    )
    return np.fromiter(rows, dtype=LISTED)


def choose_documents(listings: Sequence[Listing], counts: Counter[str]) -> list[NDArray[np.bool_]]:
    """Tell for each file which of its documents are taken; what is left out is counted.

    Left out are empty documents, those whose id and text came before, and those that a later one
    replaces or deletes.
    """
    every = np.concatenate([np.empty(0, dtype=LISTED), *listings])
    deletions = every["replaces"] & every["empty"]
    successor = _successors(every)
    replaced = successor >= 0
    deleted = replaced & deletions[successor]
    keep = ~replaced & ~every["empty"]
    repeated = keep & _came_before(every, keep)
    counts["documents"] += int((~deletions).sum())
    counts["empty documents"] += int((every["empty"] & ~deletions & ~replaced).sum())
    counts["replaced documents"] += int((replaced & ~deleted & ~deletions).sum())
    counts["deleted documents"] += int((deleted & ~deletions).sum())
    counts["repeated documents"] += int(repeated.sum())
    bounds = np.cumsum([len(listing) for listing in listings])[:-1]
    return np.split(keep & ~repeated, bounds)


def _successors(every: Listing) -> NDArray[np.int64]:
    """Return for each document the last later one that replaces it, -1 where there is none."""
    replacing = np.flatnonzero(every["replaces"])[::-1]
    if not len(replacing):
        return np.full(len(every), -1)
    ids, last = np.unique(every["id"][replacing], return_index=True)
    at = np.minimum(np.searchsorted(ids, every["id"]), len(ids) - 1)
    successor = replacing[last[at]]
    known = (ids[at] == every["id"]) & (successor > np.arange(len(every)))
    return np.where(known, successor, -1)


def _came_before(every: Listing, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows = np.flatnonzero(among)
    pairs = np.stack([every["id"][rows], every["text"][rows]], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    before = among.copy()
    before[rows[first]] = False
    return before


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
