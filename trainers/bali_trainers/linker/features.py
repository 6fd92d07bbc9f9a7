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
_DOUBT = 5.0


def text_features(knowledge: Knowledge, mentions: Mentions, pairs: Candidates) -> Features:
    """Compare what mentions are called, and their sentences, with the candidates' names."""
    found, nearest = _nearest_names(knowledge, mentions, pairs)
    found |= _words(knowledge, mentions, pairs, nearest)
    preferred = knowledge.preferred[pairs.concept]
    found["name to preferred"] = _rowwise(mentions.by_name, pairs.mention, preferred)
    found["sentence to preferred"] = _rowwise(mentions.in_context, pairs.mention, preferred)
    found["names"] = np.log(knowledge.sizes[pairs.concept]).astype(np.float32)
    return found


def vocabulary_feature(knowledge: Knowledge, mentions: Mentions, pairs: Candidates) -> Features:
    """Say how well a candidate's vocabularies fit what the texts mention beyond doubt.

    A corpus is marked with the concepts of some vocabulary, and names that one concept alone bears
    tell which: each counts by how much commoner it is among those than in the dictionary, as if a
    few more of the dictionary's own had been seen.
    """
    bearers = [knowledge.bearers_of_key.get(key, []) for key in _keys(mentions)]
    sure = [own[0] for own in bearers if len(own) == 1]
    member = knowledge.vocabularies
    usual = (member.sum(axis=0) + 1) / (len(member) + 2)
    here = (member[sure].sum(axis=0) + _DOUBT * usual) / (len(sure) + _DOUBT)
    told = member @ np.log(here / usual) + (1 - member) @ np.log((1 - here) / (1 - usual))
    return {"vocabularies": told[pairs.concept].astype(np.float32)}


def graph_features(knowledge: Knowledge, mentions: Mentions, pairs: Candidates) -> Features:
    """Compare mentions and their sentences with the candidates' neighbours."""
    around = knowledge.surroundings[pairs.concept]
    return {
        "degree": np.log1p(knowledge.degree[pairs.concept]),
        "sentence to neighbours": _rowwise(mentions.in_context, pairs.mention, around),
        "name to neighbours": _rowwise(mentions.by_name, pairs.mention, around),
    }


def coherence(
    knowledge: Knowledge, mentions: Mentions, pairs: Candidates, likely: NDArray[np.float64]
) -> tuple[Features, Features]:
    """Say how much a document's other names speak for a candidate: itself, and its neighbours.

    ``likely`` is the chance of each candidate among those of its mention.
    """
    itself, near = np.zeros((2, len(likely)), dtype=np.float32)
    for some in _documents(mentions, pairs):
        concepts, column = np.unique(pairs.concept[some], return_inverse=True)
        row = _numbered([mentions.names[m] for m in pairs.mention[some].tolist()])
        told = np.zeros((int(row.max()) + 1, len(concepts)), dtype=np.float32)
        np.maximum.at(told, (row, column), likely[some].astype(np.float32))
        others = told.sum(axis=0) - told
        itself[some] = others[row, column]
        linked = csr_array(knowledge.edges[concepts][:, concepts])
        near[some] = np.asarray(others @ linked)[row, column]
    return {"again": np.log1p(itself)}, {"neighbours in the document": np.log1p(near)}


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
        best = np.lexsort((-(by_name + by_letters), pair))[first]
        nearest[some] = name[best]
        found["place"][some] = np.log1p(knowledge.table.bearers[bearer[best], 2])
    return found, nearest


def _words(
    knowledge: Knowledge, mentions: Mentions, pairs: Candidates, nearest: NDArray[np.int64]
) -> Features:
    rows = np.empty((len(nearest), 4), np.float32)
    said = _keys(mentions)
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
        )
    columns = ("exact", "words", "words missing", "words more")
    return dict(zip(columns, rows.T.copy(), strict=True))


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


def _keys(mentions: Mentions) -> list[str]:
    return [name_key(name) for name in mentions.names]


def _numbered(texts: list[str]) -> NDArray[np.int64]:
    _, row = np.unique([name_key(text) for text in texts], return_inverse=True)
    return row.astype(np.int64)
