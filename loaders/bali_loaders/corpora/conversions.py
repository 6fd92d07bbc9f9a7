"""The ways from documents to linked sentences, as work that any process can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bali_loaders.corpora.documents import Document
from bali_loaders.corpora.identifiers import CodeSource, GraphCodes, IdentifierMap, TableCodes
from bali_loaders.corpora.imports import annotated_sentences, document_sentences, linked_sentences
from bali_loaders.corpora.sources import Notes
from bali_loaders.linking.dictionary import open_dictionary
from bali_loaders.linking.engine import DeciderSource, TextLinker
from bali_loaders.linking.facts import open_facts
from bali_loaders.linking.linker import Ambiguous, Linker, drop_withheld
from bali_loaders.linking.options import LinkOptions
from bali_loaders.linking.reranking import RerankerSource
from bali_platform.base.settings import Settings
from bali_platform.graph.client import Graph
from bali_platform.text.corpus import Sentence


@dataclass(frozen=True)
class LinkNames:
    """Links the names of the dictionary in a folder; keeps sentences that mention something.

    Ambiguous names are left to what ``reranker`` makes, if given, else to ``ambiguous``.
    """

    dictionary: Path
    ambiguous: Ambiguous = "skip"
    reranker: RerankerSource | None = None

    def __call__(self, documents: Iterable[Document], notes: Notes) -> Iterator[Sentence]:
        """Yield the linked sentences."""
        linker = Linker(
            open_dictionary(self.dictionary),
            self.ambiguous,
            self.reranker() if self.reranker else None,
            notes.counts,
        )
        return linked_sentences(documents, linker)


@dataclass(frozen=True)
class LinkDocuments:
    """Links whole documents with what is compiled in two folders; keeps sentences with mentions.

    What names of several concepts mean is left to what ``decider`` makes, if given.
    """

    dictionary: Path
    facts: Path
    options: LinkOptions
    decider: DeciderSource | None = None

    def __call__(self, documents: Iterable[Document], notes: Notes) -> Iterator[Sentence]:
        """Yield the linked sentences."""
        return document_sentences(documents, self.linker(), notes.counts)

    def linker(self) -> TextLinker:
        """Return the linker of these folders; raises :class:`UsageError` for a wrong option."""
        linker = TextLinker(
            open_dictionary(self.dictionary),
            open_facts(self.facts),
            self.options,
            self.decider() if self.decider else None,
        )
        linker.link("")  # which reads the options
        return linker


@dataclass(frozen=True)
class ImportAnnotations:
    """Maps the annotations of documents to concepts of the live graph.

    Attributes:
        settings: Where the graph is.
        codes: A table for :class:`TableCodes`, or None.
        withheld: The folder of a dictionary whose withheld names no sentence may hold, or None.
    """

    settings: Settings
    codes: Path | None = None
    withheld: Path | None = None

    def __call__(self, documents: Iterable[Document], notes: Notes) -> Iterator[Sentence]:
        """Yield the sentences with what could be mapped."""
        with Graph.connect(self.settings) as graph:
            source: CodeSource = GraphCodes(graph)
            if self.codes:
                source = TableCodes(self.codes, source)
            identifiers = IdentifierMap(source, table=notes.identifiers)
            sentences = annotated_sentences(documents, identifiers, notes.counts)
            if self.withheld:
                sentences = drop_withheld(sentences, open_dictionary(self.withheld), notes.counts)
            yield from sentences
