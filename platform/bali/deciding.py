"""A trained linker has the last word on what names of several concepts mean in documents."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bali_loaders.corpora.sentences import split_sentences
from bali_loaders.linking import LinkedMention
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings
from bali_platform.graph import Graph
from bali_trainers.evaluation import Setup, read_names
from bali_trainers.inference.embedding import NameEncoder, Spans
from bali_trainers.linker import (
    Candidates,
    Knowledge,
    LearnedLinker,
    Links,
    Mentions,
    know,
    open_linker,
)


@dataclass(frozen=True)
class _Asked:
    """A mention, and where it stands.

    Attributes:
        place: Number of its document, and of it there.
        text: What it is called.
        concepts: Those that it may mean, ascending.
    """

    place: tuple[int, int]
    text: str
    start: int
    end: int
    concepts: tuple[int, ...]


@dataclass(frozen=True)
class TrainedDecisions:
    """Chooses by all that a trained linker knows: sentence, document, graph, remembered mentions.

    Attributes:
        linker: Trained on marked mentions; its convention ``own`` answers.
        number: The place of each CUI in the dictionary of ``knowledge``.
    """

    linker: LearnedLinker
    encoder: NameEncoder
    knowledge: Knowledge
    number: dict[str, int]

    def __call__(
        self, texts: Sequence[str], found: Sequence[list[LinkedMention]]
    ) -> list[list[LinkedMention]]:
        """Return the mentions of each document with what they mean, by the linker."""
        decided = [list(own) for own in found]
        asked = list(self._asked(texts, found))
        if not any(len(one.concepts) > 1 for one in asked):
            return decided
        links = self._links(texts, asked)
        ends = np.append(links.pairs.first[1:], len(links.order))
        for one, first, end, chance in zip(
            asked, links.pairs.first.tolist(), ends.tolist(), links.chance.tolist(), strict=True
        ):
            if end - first > 1:
                document, at = one.place
                concepts = links.pairs.concept[links.order[first:end]].tolist()
                decided[document][at] = self._told(found[document][at], concepts, chance)
        return decided

    def _asked(
        self, texts: Sequence[str], found: Sequence[list[LinkedMention]]
    ) -> Iterator[_Asked]:
        for document, (text, own) in enumerate(zip(texts, found, strict=True)):
            for at, one in enumerate(own):
                known = {self.number.get(cui, -1) for cui in (one.cui, *one.alternatives)} - {-1}
                if known:
                    said = text[one.start : one.end]
                    yield _Asked((document, at), said, one.start, one.end, tuple(sorted(known)))

    def _links(self, texts: Sequence[str], asked: list[_Asked]) -> Links:
        """Ask the linker; only mentions that may mean several concepts are read in sentences."""
        several = np.array([len(one.concepts) > 1 for one in asked])
        open_ones = [one for one in asked if len(one.concepts) > 1]
        by_name, in_context = np.zeros((2, len(asked), self.encoder.width), dtype=np.float32)
        names = self.encoder.encode([one.text for one in open_ones])
        by_name[several] = names.vectors[names.row]
        in_context[several] = self.encoder.encode_in_context(_in_sentences(texts, open_ones))
        cut = ~in_context.any(axis=1)
        in_context[cut] = by_name[cut]
        mentions = Mentions(
            tuple(one.text for one in asked),
            by_name,
            in_context,
            np.array([one.place[0] for one in asked]),
        )
        sizes = [len(one.concepts) for one in asked]
        pairs = Candidates(
            np.repeat(np.arange(len(asked)), sizes),
            np.concatenate([np.array(one.concepts) for one in asked]),
        )
        return self.linker.link(self.knowledge, mentions, pairs)["own"]

    def _told(self, one: LinkedMention, concepts: list[int], chance: float) -> LinkedMention:
        table = self.knowledge.table
        cui, *others = (table.cuis[concept] for concept in concepts)
        name = table.names[table.bearers[self.knowledge.starts[concepts[0]], 1]]
        return one._replace(cui=cui, name=name, alternatives=tuple(others), score=round(chance, 4))


def load_decider(folder: Path, settings: Settings, reporter: Reporter = QUIET) -> TrainedDecisions:
    """Open a trained linker, and read what it knows of the concepts of the live graph."""
    # One step for all of it: the encoder would tell its own of every text, too, later on.
    setup = Setup("auto", cache=settings.home / "cache" / "vectors")
    with (
        reporter.step("read what the trained linker knows of concepts"),
        Graph.connect(settings) as graph,
    ):
        known = read_names(graph.names())
        linker, encoder = open_trained(folder, known.number, setup)
        edges = linker.facts.reads_edges
        knowledge, _ = know(graph, known.table, [], encoder, edges=edges)
    return TrainedDecisions(linker, encoder, knowledge, known.number)


def open_trained(
    folder: Path, number: dict[str, int], setup: Setup
) -> tuple[LearnedLinker, NameEncoder]:
    """Open a linker with its language model; raises :class:`BaliError` where that has changed."""
    linker = open_linker(folder, number)
    encoder = NameEncoder(linker.facts.model, setup)
    if encoder.digest != linker.facts.digest:
        raise BaliError(f"{linker.facts.model} has changed since {folder} was trained")
    return linker, encoder


def _in_sentences(texts: Sequence[str], asked: Sequence[_Asked]) -> Spans:
    """Return where mentions are in their sentences; one that goes over an end is in both."""
    sentences: dict[str, int] = {}
    rows: list[tuple[int, int, int]] = []
    bounds: dict[int, list[tuple[int, int]]] = {}
    for one in asked:
        text = texts[one.place[0]]
        own = bounds.get(one.place[0]) or bounds.setdefault(one.place[0], split_sentences(text))
        first = max(0, bisect_right(own, (one.start, len(text))) - 1)
        last = max(0, bisect_right(own, (one.end - 1, len(text))) - 1)
        origin = own[first][0]
        row = sentences.setdefault(text[origin : own[last][1]], len(sentences))
        rows.append((row, one.start - origin, one.end - origin))
    row_of, start, end = np.array(rows, dtype=np.int64).T
    return Spans(tuple(sentences), row_of, start, end)
