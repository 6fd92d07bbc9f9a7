"""What the terminology's routes take and give, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bali_platform.api.models import Answer, CuiText
from bali_platform.graph import Concept
from bali_platform.graph.records import History
from bali_platform.terminology.records import (
    Basis,
    CodedConcept,
    Details,
    MapRow,
    Member,
    Resolved,
    Source,
    Subsumption,
    Validation,
)

MAX_BATCH = 10_000
CodeText = Annotated[str, StringConstraints(min_length=1, max_length=400)]
SourceText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Batch = Annotated[list[CodeText], Field(min_length=1, max_length=MAX_BATCH)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ConceptsRequest(_Request):
    """Concepts to look up at once."""

    cuis: Annotated[list[CuiText], Field(min_length=1, max_length=MAX_BATCH)]


class CodesRequest(_Request):
    """Codes to look up at once, as people write them."""

    codes: Batch
    source: SourceText | None = None
    """Their vocabulary; taken from each code by default."""


class ValidateRequest(CodesRequest):
    """Codes to check, and what each is called, if that is to be checked too."""

    displays: Annotated[
        list[Annotated[str, Field(max_length=3_000)]], Field(max_length=MAX_BATCH)
    ] = []


class MapRequest(CodesRequest):
    """Codes to map to other vocabularies."""

    targets: Annotated[list[SourceText], Field(min_length=1, max_length=20)]
    rules: bool = True
    """Take what map sets say (MRMAP), before what shared concepts say."""
    ancestors: bool = False
    """Where nothing else is found, map the nearest code above."""


class SubsumesRequest(_Request):
    """Pairs of codes: how the first stands to the second."""

    pairs: Annotated[list[tuple[CodeText, CodeText]], Field(min_length=1, max_length=MAX_BATCH)]
    source: SourceText | None = None


class ExpandRequest(_Request):
    """A value set to write out."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "example": {"expression": "<< MSH:D009203 {{ group = Disorder }}", "limit": 100}
        },
    )

    expression: Annotated[str, Field(min_length=1, max_length=20_000)]
    limit: Annotated[int, Field(ge=1, le=MAX_BATCH)] = 1_000
    offset: Annotated[int, Field(ge=0, lt=2**62)] = 0


class ManyConcepts(Answer):
    """Concepts in full, in the order asked for, and the CUIs that the graph does not know."""

    nodes: list[Concept]
    missing: list[str]


class DetailsAnswer(Answer):
    """Everything about a concept: its terms with their codes, definitions, places."""

    details: Details


class HistoryAnswer(Answer):
    """What became of a CUI."""

    history: History
    told: str


class ResolvedAnswer(Answer):
    """What each code stands for, in order."""

    codes: list[Resolved]


class ValidationAnswer(Answer):
    """Whether each code is one, in order."""

    codes: list[Validation]


class MapAnswer(Answer):
    """A row for each code and target, in order; a code without a target has one too."""

    rows: list[MapRow]


class SubsumesAnswer(Answer):
    """How the first code of each pair stands to the second, in order."""

    pairs: list[Subsumption]


class HierarchyAnswer(Answer):
    """A page of the codes around one, nearest first, as one vocabulary states it."""

    code: CodedConcept
    source: str
    basis: Basis
    total: int
    members: list[Member]
    cycles: list[list[str]]


class ExpansionAnswer(Answer):
    """A page of the codes of a value set, and the cycles met while it was written out."""

    expression: str
    release: str
    total: int
    members: list[Member]
    cycles: list[list[str]]


class SavedValueSets(BaseModel):
    """The value sets that this installation keeps: expressions by name."""

    value_sets: dict[str, str]


class SaveRequest(_Request):
    """A value set to keep."""

    expression: Annotated[str, Field(min_length=1, max_length=20_000)]


class SavedValueSet(BaseModel):
    """A value set that is kept, and a page of its codes on the release that it was expanded on."""

    name: str
    expression: str
    release: str
    graph_version: str
    total: int
    members: list[Member]


class SourcesAnswer(Answer):
    """The vocabularies of the graph."""

    sources: list[Source]


class SemanticTypeCount(BaseModel):
    """A semantic type and its number of concepts."""

    tui: str
    name: str
    group: str
    concepts: int


class SemanticTypes(Answer):
    """The semantic types of the graph."""

    semantic_types: list[SemanticTypeCount]


class RelationshipTypes(Answer):
    """The relationship types between concepts, and how many edges of each there are."""

    relationship_types: dict[str, int]
