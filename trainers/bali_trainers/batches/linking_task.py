"""Mentions of a dev corpus and a small dictionary to link them in, which travel with a run."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from bali_platform.base.errors import UsageError
from bali_platform.graph.names import name_key
from bali_platform.subgraphs import NeighbourhoodSource
from bali_platform.text.abbreviations import documents_with_abbreviations
from bali_platform.text.corpus import read_sentences
from bali_trainers.batches.spec import LinkingTask

NAMES_OF_A_CONCEPT = 4


def draw_linking_task(
    corpus: Path, source: NeighbourhoodSource, *, mentions: int, names: int
) -> LinkingTask:
    """Choose, by hash, what a linked corpus calls concepts, and names to look for these among.

    What differs from all names of its concept comes first: the rest is found by any model. The
    dictionary holds the names of the concepts that are meant and, up to so many ``names``, the
    preferred ones of their neighbours in the graph, which are harder to tell from them than others.
    """
    called = _called(corpus)
    found = source.neighbourhoods(sorted(set().union(*called.values()))).found
    meant = {
        text: tuple(sorted({found[cui].cui for cui in cuis if cui in found}))
        for text, cuis in called.items()
    }
    names_of = {one.cui: {name_key(name) for name in one.names} for one in found.values()}
    easy = {text for text in meant if any(name_key(text) in names_of[cui] for cui in meant[text])}
    chosen = [text for text in _shuffled(meant) if meant[text]]
    chosen = sorted(chosen, key=lambda text: text in easy)[:mentions]
    if not chosen:
        raise UsageError(f"[linking] corpus = '{corpus}' mentions no concept of this graph")
    wanted = {cui for text in chosen for cui in meant[text]}
    near = {
        edge.neighbour
        for neighbourhood in found.values()
        if neighbourhood.cui in wanted
        for edge in neighbourhood.edges
    }
    known = source.names([*sorted(wanted), *_shuffled(near - wanted)[:names]])
    concepts = {cui: known[cui][:NAMES_OF_A_CONCEPT] for cui in sorted(wanted)}
    room = max(names - sum(map(len, concepts.values())), 0)
    others = [cui for cui in known if cui not in wanted][:room]
    concepts |= {cui: known[cui][:1] for cui in others}
    return LinkingTask(concepts=concepts, mentions={text: meant[text] for text in chosen})


def _called(corpus: Path) -> dict[str, set[str]]:
    """Return what texts call concepts, abbreviations by their long forms, and which they mean."""
    called: dict[str, set[str]] = {}
    for sentences, long_forms in documents_with_abbreviations(read_sentences(corpus)):
        for sentence in sentences:
            for mention in sentence.mentions:
                text = sentence.text[mention.start : mention.end]
                called.setdefault(long_forms.get(text, text), set()).add(mention.cui)
    return called


def _shuffled(words: Iterable[str]) -> list[str]:
    return sorted(words, key=lambda word: blake2b(word.encode(), digest_size=8).digest())
