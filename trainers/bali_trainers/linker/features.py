"""What tells the right candidate from the others, as numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bali_platform.base.consecutive import spell_out
from bali_platform.graph.names import name_key
from bali_trainers.linker.candidates import Candidates, Mentions
from bali_trainers.linker.knowledge import Knowledge

Features = dict[str, NDArray[np.float32]]
_PAIRS_AT_ONCE = 4096
_SHARPNESS = 20.0


def text_features(knowledge: Knowledge, mentions: Mentions, pairs: Candidates) -> Features:
    """Compare what mentions are called, and their sentences, with the candidates' names."""
    found, nearest = _nearest_names(knowledge, mentions, pairs)
    found |= _words(knowledge, mentions, pairs, nearest)
    preferred = knowledge.preferred[pairs.concept]
    found["name to preferred"] = _rowwise(mentions.by_name, pairs.mention, preferred)
    found["sentence to preferred"] = _rowwise(mentions.in_context, pairs.mention, preferred)
    found["mixed"] = found["name"] + found["sentence"]
    found["all four"] = found["mixed"] + found["letters"] + found["exact"]
    for name in ("name", "sentence", "letters", "mixed", "all four", "sentence to preferred"):
        found |= {
            f"{name}, behind": behind_best(found[name], pairs),
            f"{name}, rank": rank(found[name], pairs),
        }
    return found


def prior_features(knowledge: Knowledge, pairs: Candidates) -> Features:
    """Say what is true of a concept whatever the text: what conventions of a corpus rest on."""
    size = knowledge.sizes[pairs.concept].astype(np.float32)
    return {
        "names": size,
        "names, behind": behind_best(np.log(size), pairs),
        "group": knowledge.groups[pairs.concept].astype(np.float32),
    }


def graph_features(knowledge: Knowledge, mentions: Mentions, pairs: Candidates) -> Features:
    """Compare sentences with the candidates' neighbours, and candidates with each other's."""
    around = knowledge.surroundings[pairs.concept]
    found = {
        "degree": knowledge.degree[pairs.concept],
        "sentence to neighbours": _rowwise(mentions.in_context, pairs.mention, around),
        "name to neighbours": _rowwise(mentions.by_name, pairs.mention, around),
    }
    return found | {f"{n}, behind": behind_best(v, pairs) for n, v in list(found.items())[1:]}


def coherence(
    knowledge: Knowledge, mentions: Mentions, pairs: Candidates, scores: NDArray[np.float32]
) -> tuple[Features, Features]:
    """Say how much a document's other names speak for a candidate: itself, and its neighbours.

    ``scores`` say how likely each candidate is; those of one mention are made to sum to 1.
    """
    weights = share(scores, pairs)
    itself, near = np.zeros_like(weights), np.zeros_like(weights)
    for some in _documents(mentions, pairs):
        concepts, column = np.unique(pairs.concept[some], return_inverse=True)
        row = _numbered([mentions.names[m] for m in pairs.mention[some].tolist()])
        told = np.zeros((int(row.max()) + 1, len(concepts)), dtype=np.float32)
        np.maximum.at(told, (row, column), weights[some])
        others = told.sum(axis=0) - told
        itself[some] = others[row, column]
        linked = csr_array(knowledge.edges[concepts][:, concepts])
        near[some] = np.asarray(others @ linked)[row, column]
    return (
        {"again": itself, "again, behind": behind_best(itself, pairs)},
        {
            "neighbours in the document": np.log1p(near),
            "neighbours in the document, behind": behind_best(np.log1p(near), pairs),
            "neighbours in the document, each": near / np.sqrt(1 + knowledge.degree[pairs.concept]),
        },
    )


def share(scores: NDArray[np.float32], pairs: Candidates) -> NDArray[np.float32]:
    """Return the softmax of scores over the candidates of each mention, [P]."""
    powers = np.exp(-behind_best(scores, pairs))
    return np.asarray(
        powers / np.bincount(pairs.mention, weights=powers)[pairs.mention], np.float32
    )


def behind_best(values: NDArray[np.float32], pairs: Candidates) -> NDArray[np.float32]:
    """Return how much less each value is than the greatest of its mention, [P]."""
    best = np.maximum.reduceat(values, pairs.first)
    return np.asarray(best[pairs.mention] - values, np.float32)


def rank(values: NDArray[np.float32], pairs: Candidates) -> NDArray[np.float32]:
    """Return how many candidates of the same mention have more, [P]; equal ones share a rank."""
    order = np.lexsort((-values, pairs.mention))
    place = np.arange(len(values)) - pairs.first[pairs.mention[order]]
    same = np.append(False, (np.diff(values[order]) == 0) & (np.diff(pairs.mention[order]) == 0))
    place[same] = 0
    found = np.empty(len(values), np.float32)
    found[order] = np.maximum.accumulate(np.where(same, 0, place + pairs.mention[order] * 10_000))
    return found - pairs.mention * 10_000


def _nearest_names(
    knowledge: Knowledge, mentions: Mentions, pairs: Candidates
) -> tuple[Features, NDArray[np.int64]]:
    """Compare mentions with all names of a candidate; return also which is nearest, [P]."""
    letters = knowledge.letters([name_key(name) for name in mentions.names])
    names = knowledge.letters.names
    columns = ("name", "mean", "sentence", "letters", "place")
    found = {name: np.empty(len(pairs.mention), np.float32) for name in columns}
    nearest = np.empty(len(pairs.mention), np.int64)
    for at in range(0, len(pairs.mention), _PAIRS_AT_ONCE):
        some = slice(at, at + _PAIRS_AT_ONCE)
        concept, mention = pairs.concept[some], pairs.mention[some]
        pair, bearer = spell_out(knowledge.starts[concept], knowledge.sizes[concept])
        first = np.flatnonzero(np.diff(pair, prepend=-1))
        name, asked = knowledge.table.bearers[bearer, 1], mention[pair]
        vectors = knowledge.vectors[name]
        by_name = np.einsum("pd,pd->p", vectors, mentions.by_name[asked])
        by_sentence = np.einsum("pd,pd->p", vectors, mentions.in_context[asked])
        by_letters = np.asarray((names[name] * letters[asked]).sum(axis=1)).reshape(-1)
        found["name"][some] = np.maximum.reduceat(by_name, first)
        found["mean"][some] = np.add.reduceat(by_name, first) / knowledge.sizes[concept]
        found["sentence"][some] = np.maximum.reduceat(by_sentence, first)
        found["letters"][some] = np.maximum.reduceat(by_letters, first)
        both = by_name + by_letters
        best = np.lexsort((-both, pair))[first]
        nearest[some] = name[best]
        found["place"][some] = knowledge.table.bearers[bearer[best], 2]
    return found, nearest


def _words(
    knowledge: Knowledge, mentions: Mentions, pairs: Candidates, nearest: NDArray[np.int64]
) -> Features:
    rows = np.empty((len(nearest), 6), np.float32)
    said = [name_key(name) for name in mentions.names]
    words = [frozenset(key.replace("-", " ").split()) for key in said]
    named: dict[int, frozenset[str]] = {}
    for at, (mention, name) in enumerate(
        zip(pairs.mention.tolist(), nearest.tolist(), strict=True)
    ):
        key = knowledge.keys[name]
        if name not in named:
            named[name] = frozenset(key.replace("-", " ").split())
        a, b = words[mention], named[name]
        common = len(a & b)
        rows[at] = (
            said[mention] == key,
            common / max(1, len(a | b)),
            len(a) - common,
            len(b) - common,
            len(said[mention]) - len(key),
            len(knowledge.bearers_of_key[key]),
        )
    columns = ("exact", "words", "words missing", "words more", "longer", "bearers")
    found = dict(zip(columns, rows.T.copy(), strict=True))
    length = np.array([len(key) for key in said], np.float32)
    found["length"] = length[pairs.mention]
    found["candidates"] = np.bincount(pairs.mention)[pairs.mention].astype(np.float32)
    return found


def _rowwise(
    left: NDArray[np.float32], row: NDArray[np.int64], right: NDArray[np.float32]
) -> NDArray[np.float32]:
    parts = [
        np.einsum("pd,pd->p", left[row[at : at + 65536]], right[at : at + 65536])
        for at in range(0, len(row), 65536)
    ]
    return np.concatenate(parts)


def _documents(mentions: Mentions, pairs: Candidates) -> Iterator[NDArray[np.int64]]:
    document = mentions.document[pairs.mention]
    order = np.argsort(document, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(document[order])) + 1)


def _numbered(texts: list[str]) -> NDArray[np.int64]:
    _, row = np.unique([name_key(text) for text in texts], return_inverse=True)
    return row.astype(np.int64)
