"""Routes of the served model: vectors of texts, concepts like them, sentences explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bali.serving.explaining import SentenceExplanation, ServedExplainer
from bali.serving.model import BusyError, ServedModel
from bali_platform.api.models import CuiText
from bali_platform.api.problems import ProblemError, documented
from bali_platform.graph import Graph
from bali_platform.graph.vectors import Candidate, Mentioned, Vectors

MAX_TEXTS = 512
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class EmbedRequest(_Request):
    """Texts to make vectors of."""

    texts: Texts


class Embeddings(BaseModel):
    """Vectors of unit length, one a text, comparable with those of the graph's concepts."""

    graph_version: str
    model: str
    digest: str
    dimensions: int
    vectors: list[list[float]]


class SimilarRequest(_Request):
    """Texts and CUIs whose likes are asked for."""

    texts: Annotated[list[Text], Field(max_length=MAX_TEXTS)] = []
    cuis: Annotated[list[CuiText], Field(max_length=MAX_TEXTS)] = []
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class Like(BaseModel):
    """A concept and its cosine with what was asked."""

    cui: str
    name: str
    semantic_types: list[str]
    cosine: float


class Likes(BaseModel):
    """The concepts nearest in meaning to a text or a concept, nearest first."""

    asked: str
    nodes: list[Like]


class Similars(BaseModel):
    """One answer for each text and then each CUI; ``missing`` CUIs have no vector."""

    graph_version: str
    results: list[Likes]
    missing: list[str]


class ExplainRequest(_Request):
    """Sentences to explain."""

    texts: Annotated[list[Text], Field(min_length=1, max_length=32)]
    neighbours: Annotated[int, Field(ge=1, le=64)] | None = None
    """Neighbours drawn for each concept; as in training by default."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Another seed draws others."""


class Explanations(BaseModel):
    """What the model makes of each sentence."""

    graph_version: str
    explanations: list[SentenceExplanation]


def model_routes(model: ServedModel) -> APIRouter:
    """Return the routes of one model."""
    router = APIRouter(tags=["model"])
    explainer = ServedExplainer(model)

    @router.post("/embed", responses=documented("busy", "no-vectors"))
    def embed_texts(request: EmbedRequest) -> Embeddings:
        """Make vectors of texts with the model that the graph's vectors are of."""
        with _busy_told():
            made = model.encode(request.texts)
        return Embeddings(
            graph_version=model.graph().version,
            model=made.maker.model,
            digest=made.maker.digest,
            dimensions=made.maker.dimensions,
            vectors=made.vectors.astype(float).round(7).tolist(),
        )

    @router.post("/similar", responses=documented("busy", "no-vectors"))
    def find_similar(request: SimilarRequest) -> Similars:
        """Find the concepts nearest in meaning to texts and to concepts."""
        with _busy_told():
            likes = _like_texts(model, request)
        others, missing = _like_concepts(model.graph(), request)
        return Similars(
            graph_version=model.graph().version, results=likes + others, missing=missing
        )

    @router.post("/explain", responses=documented("busy", "no-vectors"))
    def explain_sentences(request: ExplainRequest) -> Explanations:
        """Show what the model makes of sentences: mentions, subgraphs, attention."""
        with _busy_told():
            found = explainer.explain(request.texts, request.neighbours, request.seed)
        return Explanations(graph_version=model.graph().version, explanations=found)

    return router


@contextmanager
def _busy_told() -> Iterator[None]:
    try:
        yield
    except BusyError as error:
        raise ProblemError("busy", str(error), retry_after_s=error.retry_after_s) from error


def _like_texts(model: ServedModel, request: SimilarRequest) -> list[Likes]:
    if not request.texts:
        return []
    found = model.nearest(request.texts, request.limit)
    return [_likes(text, some) for text, some in zip(request.texts, found, strict=True)]


def _like_concepts(graph: Graph, request: SimilarRequest) -> tuple[list[Likes], list[str]]:
    if not request.cuis:
        return [], []
    vectors = Vectors(graph)
    vectors.require()
    live = graph.resolve([*request.cuis, *(cui.upper() for cui in request.cuis)])
    own = {cui: live.get(cui) or live.get(cui.upper(), cui) for cui in request.cuis}
    made = dict(zip(own, vectors.read(list(own.values())), strict=True))
    present = {cui: vector for cui, vector in made.items() if vector is not None}
    found = vectors.link([Mentioned(v) for v in present.values()], request.limit + 1)
    likes = [
        _likes(cui, [one for one in some if one.cui != own[cui]][: request.limit])
        for cui, some in zip(present, found, strict=True)
    ]
    return likes, [cui for cui in own if cui not in present]


def _likes(asked: str, found: list[Candidate]) -> Likes:
    nodes = [
        Like(cui=c.cui, name=c.name, semantic_types=list(c.semantic_types), cosine=c.cosine)
        for c in found
    ]
    return Likes(asked=asked, nodes=nodes)
