"""What the demo shows at its end: mentions read by a model before and after training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bali.cli.common import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from bali_platform.base.progress import Reporter
    from bali_platform.base.settings import Settings
    from bali_trainers.evaluation import KnownNames, Report, Setup


@dataclass(frozen=True)
class Evidence:
    """Compares models by what they make of mentions in sentences.

    Attributes:
        models: A folder or Hugging Face name, by what it is called.
        corpus: A linked corpus that no model was trained on.
        documents: So many of its documents are read.
        share: Mentions are told from the concepts of these documents and a share of all others.
    """

    models: dict[str, str]
    corpus: Path
    documents: int
    share: float
    settings: Settings
    reporter: Reporter

    def report(self) -> Report:
        """Link the mentions of the corpus in their sentences."""
        from bali_platform.graph.client import Graph
        from bali_trainers.evaluation import build_mention_task, evaluate_mentions, report

        with Graph.connect(self.settings) as graph:
            version, known = graph.version, self._known(graph.names())
        task = build_mention_task(known, self.corpus, documents=self.documents)
        setup = self._setup
        outcomes = [
            replace(outcome, model=name)
            for name, model in self.models.items()
            for outcome in evaluate_mentions(model, [task], ["context"], setup)[0]
        ]
        return report(task, outcomes, graph_version=version, precision=setup.precision)

    def reading(self, sentence: str) -> Table:
        """Show what each model takes the mentions of a sentence for: the nearest of all names."""
        from bali.linking import link
        from bali_platform.graph.client import Graph
        from bali_trainers.evaluation import nearest_names

        with Graph.connect(self.settings) as graph:
            mentions = link(sentence, graph=graph).mentions
            concepts = list(graph.names())
        meant = {mention.cui for mention in mentions}
        further = [name for cui, names in concepts if cui in meant for name in names]
        names = self._known(concepts).table.names
        places = [(mention.start, mention.end) for mention in mentions]
        read = [
            nearest_names(model, names, further, sentence, places, self._setup)
            for model in self.models.values()
        ]
        rows = zip([mention.text for mention in mentions], *read, strict=True)
        return table(sentence, ["mention", *self.models], rows)

    @property
    def _setup(self) -> Setup:
        from bali_trainers.evaluation import Setup

        return Setup(cache=self.settings.home / "cache" / "vectors", reporter=self.reporter)

    def _known(self, concepts: Iterable[tuple[str, Sequence[str]]]) -> KnownNames:
        from bali_platform.graph.names import in_share
        from bali_trainers.evaluation import read_names

        asked = self._asked()
        return read_names(
            row for row in concepts if row[0] in asked or in_share(row[0], self.share)
        )

    def _asked(self) -> set[str]:
        from bali_platform.text.corpus import read_sentences
        from bali_trainers.evaluation import choose_documents

        chosen = choose_documents(self.corpus, self.documents)
        sentences = (s for s in read_sentences(self.corpus) if s.document in chosen)
        return {mention.cui for sentence in sentences for mention in sentence.mentions}
