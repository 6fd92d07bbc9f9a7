"""Which documents of many files are taken: decided before any of them is linked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from bali_loaders.corpora.documents import Document

LISTED = np.dtype(
    [("id", "<u8"), ("text", "<u8"), ("replaces", "?"), ("empty", "?"), ("broken", "?")]
)
"""One row a document: hashes of its id and text, two of its properties, and of its file one."""

Listing = NDArray[np.void]
Chosen = NDArray[np.uint32]


def list_documents(documents: Iterable[Document]) -> Listing:
    """Describe documents, [N] of :data:`LISTED`."""
    rows = (
        (*map(_hash, (document.id, document.text)), document.replaces, not document.text.strip(), 0)
        for document in documents
    )
    return np.fromiter(rows, dtype=LISTED)


def choose_documents(listings: Sequence[Listing], counts: Counter[str]) -> list[Chosen]:
    """Tell for each listing which of its documents are taken; what is left out is counted.

    Left out are those of broken files, empty ones, those whose id and text came before, and those
    that a later one replaces or deletes. Documents of one id with other texts are all taken. Each
    is given its number among those of its id, from 1; 0 is left out.
    """
    every = np.concatenate([np.empty(0, dtype=LISTED), *listings])
    numbers = np.zeros(len(every), dtype=np.uint32)
    numbers[~every["broken"]] = _choose(every[~every["broken"]], counts)
    return np.split(numbers, np.cumsum([len(listing) for listing in listings])[:-1])


def _choose(every: Listing, counts: Counter[str]) -> Chosen:
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
    taken = keep & ~repeated
    numbers = _numbers(every["id"], taken)
    counts["documents that share an id with another"] += int((numbers > 1).sum())
    return numbers


def _numbers(ids: NDArray[np.uint64], taken: NDArray[np.bool_]) -> Chosen:
    """Count those taken of each id, in their order; 0 for those that are not."""
    rows = np.flatnonzero(taken)
    rows = rows[np.argsort(ids[rows], kind="stable")]
    _, first, group = np.unique(ids[rows], return_index=True, return_inverse=True)
    numbers = np.zeros(len(ids), dtype=np.uint32)
    numbers[rows] = np.arange(len(rows)) - first[group] + 1
    return numbers


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
