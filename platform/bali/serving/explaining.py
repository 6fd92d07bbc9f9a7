"""Explanations of sentences by the served model, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bali.linking import LinkedText, link
from bali.serving.model import ServedModel
from bali_platform.base.errors import BaliError
from bali_platform.graph.vectors import NoVectorsError

if TYPE_CHECKING:
    from bali_trainers.inference.explain import Explained, Explainer, Explanation
    from bali_trainers.inference.vectors import ConceptEncoder


class _Told(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Attended(_Told):
    """An edge drawn around a mentioned concept, as the graph stores it."""

    source: str
    type: str
    target: str
    name: str
    """Of the neighbour."""
    share: float
    """Of the concept's attention, in the mean over layers; 0 without attention."""


class Told(_Told):
    """A mention: where it is, what it is taken to mean, and what that was seen with."""

    start: int
    end: int
    cui: str
    name: str
    own: float
    """Share of attention to the concept itself; 0 without attention."""
    cosines: list[float]
    """Of the mention's vector with the graph vector of each mention, in order."""
    edges: list[Attended]


class SentenceExplanation(_Told):
    """A sentence; without mentions when it names no concept of the graph."""

    text: str
    mentions: list[Told]


class ServedExplainer:
    """Explains sentences with the model of the graph's vectors, if it has a graph encoder."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._explainer: tuple[str, str, Explainer] | None = None

    def explain(
        self, texts: Sequence[str], neighbours: int | None = None, seed: int = 0
    ) -> list[SentenceExplanation]:
        """Explain each text; raises :class:`NoVectorsError` for a model without a graph encoder."""
        meanings = self._meanings(link(list(texts), graph=self._model.graph()))

        def work(encoder: ConceptEncoder) -> list[SentenceExplanation]:
            explainer = self._live_explainer(encoder)
            return [
                _told(explainer, text, spans, neighbours, seed)
                for text, spans in zip(texts, meanings, strict=True)
            ]

        return self._model.run(work, len(texts))

    def _meanings(self, linked: Sequence[LinkedText]) -> list[dict[tuple[int, int], str]]:
        """Choose of the concepts that bear a mention's name the one nearest to it."""
        asked = [(one.text, one.candidates) for found in linked for one in found.mentions]
        chosen = iter(self._model.link(asked, limit=1) if asked else ())
        return [
            {(one.start, one.end): next(chosen)[0].cui for one in found.mentions}
            for found in linked
        ]

    def _live_explainer(self, encoder: ConceptEncoder) -> Explainer:
        from bali_platform.subgraphs import GraphNeighbourhoods
        from bali_trainers.inference.explain import Explainer

        graph, maker = self._model.graph(), encoder.maker
        if self._explainer is None or self._explainer[:2] != (maker.digest, graph.version):
            folder = Path(maker.model)
            if not folder.is_dir():
                raise NoVectorsError(
                    f"{maker.model} has no graph encoder: make the graph's vectors with a folder "
                    "that `bali export` made"
                )
            try:
                explainer = Explainer(folder, GraphNeighbourhoods(graph))
            except BaliError as error:  # a folder without a graph encoder
                raise NoVectorsError(str(error)) from error
            self._explainer = maker.digest, graph.version, explainer
        return self._explainer[2]


def _told(
    explainer: Explainer,
    text: str,
    spans: dict[tuple[int, int], str],
    neighbours: int | None,
    seed: int,
) -> SentenceExplanation:
    from bali_trainers.inference.explain import Span

    if not spans:
        return SentenceExplanation(text=text, mentions=[])
    marked = [Span(start, end, cui) for (start, end), cui in spans.items()]
    found = explainer.explain(text, marked, neighbours=neighbours, seed=seed)
    return SentenceExplanation(
        text=text,
        mentions=[_mention(found, number, one) for number, one in enumerate(found.mentions)],
    )


def _mention(found: Explanation, number: int, one: Explained) -> Told:
    return Told(
        start=one.span.start,
        end=one.span.end,
        cui=one.span.cui,
        name=found.names[one.span.cui],
        own=sum(one.own) / len(one.own) if one.own else 0.0,
        cosines=[float(cosine) for cosine in found.cosines[number]],
        edges=[
            Attended(
                source=edge.source,
                type=edge.type,
                target=edge.target,
                name=found.names[edge.neighbour],
                share=edge.share,
            )
            for edge in one.edges
        ],
    )
