"""Who is related to whom in a batch: concepts that no contrast should push apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bali_platform.graph.names import name_key
from bali_platform.subgraphs import HIERARCHICAL, Neighbourhood
from bali_trainers.batches.mentions import concept_label


def families(
    roots: Sequence[Neighbourhood], cuis: Sequence[str], names: Sequence[str]
) -> NDArray[np.int64]:
    """Return every (member, family), ``[2, K]``: labels of a concept and of what it belongs to.

    A concept is of the family of each of its parents, and of its own, and of that of each of its
    names: so relatives, who share a family, are parents and children, siblings, and twins, which
    have a name in common. Only the edges of ``roots`` are known; ``names`` are of the nodes
    ``cuis``.
    """
    here = set(cuis)
    members = {(cui, cui) for cui in here}
    members |= {(cui, name_key(name)) for cui, name in zip(cuis, names, strict=True)}
    for root in roots:
        for neighbour, kind, outgoing in root.edges:
            if kind in HIERARCHICAL and (outgoing or neighbour in here):
                members.add((root.cui, neighbour) if outgoing else (neighbour, root.cui))
    labels = [(concept_label(one), concept_label(family)) for one, family in sorted(members)]
    return np.array(labels, dtype=np.int64).reshape(-1, 2).T.copy()
