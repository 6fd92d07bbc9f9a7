"""The objectives' configurations: what each can be told, what it needs, and what computes it.

They are read before anything that computes is imported, so that a mistake is told at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from bali_trainers.objectives.base import Objective

Need = Literal[
    "graphs",
    "mentions",
    "nodes",
    "tokens",
    "names",
    "synonyms",
    "further concepts",
    "mention texts",
]
"""What an objective reads of a batch and trains of a model.

``graphs`` and ``mentions`` are vectors, of the graph encoder and of the pooling of mentions, which
it trains; ``nodes`` are those of a subgraph, one by one; ``tokens`` are masked ones; the rest are
names, second names, concepts and texts that are read for it alone.
"""

Positive = Annotated[float, Field(gt=0.0)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ObjectiveConfig(_Settings, ABC):
    """What every objective has.

    Attributes:
        needs: What it reads and trains.
        metrics: What it reports.
    """

    needs: ClassVar[frozenset[Need]]
    metrics: ClassVar[tuple[str, ...]] = ("loss",)

    weight: Annotated[float, Field(ge=0.0)] = 1.0
    """Its weight in the sum of losses."""

    @abstractmethod
    def build(self, width: int, relations: int) -> Objective:
        """Build it for token states of ``width`` and so many types of relations."""


class AlignmentConfig(ObjectiveConfig):
    """NT-Xent between mention and graph vectors, with concepts as labels."""

    needs = frozenset({"graphs", "mentions"})
    metrics = ("loss", "bound", "top1")

    temperature: Positive = 0.07

    def build(self, width: int, relations: int) -> Objective:
        """See :class:`ObjectiveConfig`."""
        from bali_trainers.objectives.contrast import Alignment

        return Alignment(self.weight, self.temperature)


class MentionNameConfig(ObjectiveConfig):
    """NT-Xent between mention vectors and vectors of a name of their concept."""

    needs = frozenset({"mentions", "nodes", "names"})
    metrics = ("loss", "bound", "top1")

    temperature: Positive = 0.07

    def build(self, width: int, relations: int) -> Objective:
        """See :class:`ObjectiveConfig`."""
        from bali_trainers.objectives.contrast import MentionName

        return MentionName(self.weight, self.temperature)


class MentionTextConfig(ObjectiveConfig):
    """Distance of mention vectors from those of their texts, read alone and not abbreviated."""

    needs = frozenset({"mentions", "names", "mention texts"})

    def build(self, width: int, relations: int) -> Objective:
        """See :class:`ObjectiveConfig`."""
        from bali_trainers.objectives.reading import MentionText

        return MentionText(self.weight)


class NameNameConfig(ObjectiveConfig):
    """NT-Xent between vectors of two names of a concept."""

    needs = frozenset({"nodes", "names", "synonyms", "further concepts"})
    metrics = ("loss", "bound", "top1")

    temperature: Positive = 0.07

    def build(self, width: int, relations: int) -> Objective:
        """See :class:`ObjectiveConfig`."""
        from bali_trainers.objectives.contrast import NameName

        return NameName(self.weight, self.temperature)


class MultiSimilarityConfig(ObjectiveConfig):
    """Multi-Similarity loss between mention and graph vectors."""

    needs = frozenset({"graphs", "mentions"})
    metrics = ("loss", "top1")

    alpha: Positive = 2.0
    beta: Positive = 50.0
    base: float = 0.5

    def build(self, width: int, relations: int) -> Objective:
        """See :class:`ObjectiveConfig`."""
        from bali_trainers.objectives.contrast import MultiSimilarity

        return MultiSimilarity(self.weight, self.alpha, self.beta, self.base)


class MlmConfig(ObjectiveConfig):
    """Masked language modelling with the checkpoint's own head."""

    needs = frozenset({"tokens"})
    metrics = ("loss", "accuracy")

    def build(self, width: int, relations: int) -> Objective:
        """See :class:`ObjectiveConfig`."""
        from bali_trainers.objectives.mlm import MaskedTokens

        return MaskedTokens(self.weight)


class TextToGraphConfig(ObjectiveConfig):
    """Relations and neighbours of mentioned concepts, predicted from the text."""

    needs = frozenset({"mentions", "nodes"})
    metrics = ("loss", "relation", "neighbour")

    def build(self, width: int, relations: int) -> Objective:
        """See :class:`ObjectiveConfig`."""
        from bali_trainers.objectives.relations import TextToGraph

        return TextToGraph(self.weight, width, relations)


class LinkPredictionConfig(ObjectiveConfig):
    """A neighbour of each concept of a batch, found from its other neighbours."""

    needs = frozenset({"graphs", "nodes", "further concepts"})
    metrics = ("loss", "top1")

    temperature: Positive = 0.07
    ends: Literal["names", "graphs"] = "names"
    """What is looked for: names, or graph vectors. With ``hops = 2``, these have neighbours."""

    def build(self, width: int, relations: int) -> Objective:
        """See :class:`ObjectiveConfig`."""
        from bali_trainers.objectives.relations import LinkPrediction

        return LinkPrediction(self.weight, width, relations, self.temperature, self.ends)


class GraphToTextConfig(ObjectiveConfig):
    """Masked tokens of mentions, recovered with the graph vector as context."""

    needs = frozenset({"graphs", "tokens"})
    metrics = ("loss", "accuracy")

    def build(self, width: int, relations: int) -> Objective:
        """See :class:`ObjectiveConfig`."""
        from bali_trainers.objectives.mlm import GraphToText

        return GraphToText(self.weight, width)


class ObjectivesConfig(_Settings):
    """The objectives that are switched on; with none named, the published two."""

    alignment: AlignmentConfig | None = None
    mention_name: MentionNameConfig | None = None
    mention_text: MentionTextConfig | None = None
    name_name: NameNameConfig | None = None
    multi_similarity: MultiSimilarityConfig | None = None
    mlm: MlmConfig | None = None
    text_to_graph: TextToGraphConfig | None = None
    link_prediction: LinkPredictionConfig | None = None
    graph_to_text: GraphToTextConfig | None = None

    @classmethod
    def published(cls) -> Self:
        """Alignment and masked language modelling, each with weight one."""
        return cls(alignment=AlignmentConfig(), mlm=MlmConfig())

    def need(self, what: Need) -> bool:
        """Whether any of them needs it."""
        return any(what in objective.needs for objective in self.active.values())

    @property
    def metrics(self) -> list[str]:
        """The metrics of all of them, as ``objective/metric``."""
        return [f"{name}/{one}" for name, own in self.active.items() for one in own.metrics]

    @property
    def active(self) -> dict[str, ObjectiveConfig]:
        """The objectives that are switched on, by name."""
        return {
            name: value
            for name in type(self).model_fields
            if (value := getattr(self, name)) is not None
        }
