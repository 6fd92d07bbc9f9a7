"""What the API takes and gives, as its OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bali_platform.graph import Concept, Link, Node, SearchHit
from bali_platform.jobs import JobState
from bali_platform.jobs.cards import CardReading

MAX_CUIS = 5_000
MAX_ROWS = 10_000
CUI_EXAMPLE = "C0027051"
INT64 = 2**63

# Ids of other graphs stay as they are: IRIs, spaces and all; what nobody can see is not among them.
CuiText = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,400}$")]
Term = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Terms = Annotated[list[Term], Field(max_length=100)]

Cui = Annotated[CuiText, Path(description="A CUI; a retired one leads to its successor.")]
OneJob = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{1,32}$")]
JobId = Annotated[OneJob, Path(description="A job's id.")]
Relations = Annotated[
    Terms | None, Query(alias="type", description="Relationship types; any of them.")
]
Sources = Annotated[
    Terms | None, Query(alias="source", description="Vocabularies that assert an edge.")
]
Groups = Annotated[
    Terms | None, Query(alias="group", description="Semantic groups of a neighbour, as labels.")
]


class Answer(BaseModel):
    """Anything that is said about the graph."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    graph_version: str
    """The graph that this is from; `ETag` changes with it."""


class Found(Answer):
    """Concepts that a search found, best first."""

    nodes: list[SearchHit]
    tried: list[str]
    """How they were looked for, the last of which found them, if any did."""
    edges: list[Link] = []
    next: str | None
    """Address of the next page."""


class Concepts(Answer):
    """Concepts in full."""

    nodes: list[Concept]
    edges: list[Link] = []


class Neighbours(Answer):
    """A page of a concept's edges, and the concepts that they join; the concept is at hop 0."""

    nodes: list[Node]
    edges: list[Link]
    next: str | None
    """Address of the next page."""


class SubgraphAnswer(Answer):
    """Concepts and the edges found between them."""

    nodes: list[Node]
    edges: list[Link]
    missing: list[str]
    """CUIs asked for that the graph does not know."""


class Paths(Answer):
    """Shortest paths: the concepts and edges on them, and each one as a row of CUIs."""

    nodes: list[Node]
    edges: list[Link]
    paths: list[list[str]]


class SubgraphRequest(BaseModel):
    """Which subgraph."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"example": {"cuis": [CUI_EXAMPLE], "hops": 1, "fanout": 8}},
    )

    cuis: Annotated[list[CuiText], Field(min_length=1, max_length=MAX_CUIS)]
    hops: Annotated[int, Field(ge=0, le=3)] = 1
    """How far to go; 0 for the edges among the given concepts alone."""
    fanout: Annotated[int, Field(ge=1, le=256)] = 16
    """Edges drawn at each concept, at most."""
    types: Terms | None = None
    """Relationship types to follow; all by default."""
    sources: Terms | None = None
    """Vocabularies, one of which must assert an edge."""
    groups: Terms | None = None
    """Semantic groups to which a neighbour must belong."""
    outgoing: bool | None = None
    """Follow only edges away from (true) or towards (false) the concept one stands at."""
    seed: Annotated[int, Field(ge=0, lt=INT64)] = 0
    """Another seed draws other edges."""


class CypherRequest(BaseModel):
    """A query that reads."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "example": {
                "query": "MATCH (c:Concept {cui: $cui}) RETURN c",
                "parameters": {"cui": CUI_EXAMPLE},
                "limit": 10,
            }
        },
    )

    query: Annotated[str, Field(min_length=1, max_length=20_000)]
    parameters: dict[Annotated[str, StringConstraints(max_length=100)], Any] = {}
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 100
    """Rows to return; `truncated` says whether there were more."""


class CypherNode(BaseModel):
    """A node in a result."""

    id: str
    labels: list[str]
    properties: dict[str, Any]


class CypherEdge(BaseModel):
    """A relationship in a result; `source` and `target` are ids of nodes."""

    id: str
    type: str
    source: str
    target: str
    properties: dict[str, Any]


class CypherAnswer(Answer):
    """A table, and every node and relationship in it once."""

    columns: list[str]
    rows: list[list[Any]]
    """Nodes stand as `{"node": id}`, relationships as `{"edge": id}`, paths as lists of both."""
    nodes: list[CypherNode]
    edges: list[CypherEdge]
    truncated: bool


class JobRequest(BaseModel):
    """A training job to queue."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "example": {"config": "demo", "overrides": {"run": {"max_steps": 50}}, "priority": 0}
        },
    )

    config: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "demo"
    """Name of a configuration that ships with BALI."""
    toml: Annotated[str, Field(max_length=20_000)] | None = None
    """A configuration of your own, instead."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Not the configuration's."""
    overrides: dict[str, dict[str, Any]] = {}
    """Keys to change, by section of the configuration."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Queued jobs of a higher one start first."""


class JobSummary(BaseModel):
    """Where a job stands. Times are seconds since the epoch."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str
    name: str
    state: JobState
    message: str
    cancel_requested: bool
    priority: int
    attempt: int
    step: int
    total: int
    metrics: dict[str, float]
    created_at: float
    started_at: float | None
    finished_at: float | None


class JobRecord(JobSummary):
    """Everything that is known of a job."""

    code_version: str
    retries: int
    config: dict[str, Any]
    spec: dict[str, Any]
    artefacts: dict[str, str]


class LogTail(BaseModel):
    """The last lines that a trainer printed, as far as this machine has them."""

    lines: list[str]


class Jobs(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobSummary]
    total: int
    next: str | None


class Health(BaseModel):
    """Whether the server can do its work."""

    status: Literal["ok", "degraded"]
    neo4j: bool
    redis: bool


class WorkerStatus(BaseModel):
    """A worker that answered a call lately. One that trains answers no calls meanwhile."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    queues: list[str]
    tasks: int
    seen: float


class CardStatus(CardReading):
    """A card of a machine with a training worker, and the job that runs on it, if any."""

    job: str | None


class CacheStatus(BaseModel):
    """The neighbourhood cache, over all processes."""

    entries: int
    bytes: int
    hit_rate: float


class Status(BaseModel):
    """The platform at a glance."""

    version: str
    graph_version: str | None
    release: str | None
    browser: str | None
    redis: bool
    queues: dict[str, int]
    jobs: dict[JobState, int]
    recent: list[JobSummary]
    workers: list[WorkerStatus]
    cards: list[CardStatus]
    cache: CacheStatus | None
