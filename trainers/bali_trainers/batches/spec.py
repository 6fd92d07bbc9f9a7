"""Everything that a training batch depends on, as one JSON-able record."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DataSpec(BaseModel):
    """The recipe of a run's batches: the same spec gives the same bytes on any host.

    Attributes:
        corpus: Folder of a linked corpus, whose description must carry ``corpus_sha``.
        graph_version: The graph that neighbourhoods and names must come from.
        relation_types: Relationship types in the order that numbers them.
        tokenizer: Folder with ``tokenizer.json`` and ``tokenizer_config.json``.
        tokenizer_sha: Digest of these files, by which another machine knows its copy.
        batch_size: Sentences per batch and rank.
        max_length: Word pieces of a sentence, special tokens included.
        name_length: Word pieces of a name, special tokens included.
        graph_length: Word pieces of a linearised subgraph, special tokens included.
        neighbours: Neighbours drawn for every node that is expanded.
        hops: Distance from the mentioned concept up to which nodes are drawn.
        withheld: Fraction of synonyms that no batch may contain.
        withheld_edges: Fraction of related pairs of concepts whose edges no batch may contain.
        mlm_probability: Fraction of tokens to predict.
        hard_negatives: Concepts easily confused with it that are drawn for each concept mentioned.
        synonyms: Whether second names are drawn for concepts mentioned, and for further ones.
        further_concepts: Concepts of the whole graph that join those mentioned in each batch.
        mention_texts: Whether a mention's own text is read, as a second name of its concept.
        swapped: Fraction of mentions that are shown as another concept of the graph, and mean it.
        abbreviated: Fraction of mentions of several words that are shown by their initials.
        dev_batches: Batches of each rank whose sentences are held out of training.
        graph: Whose edges are seen: ``"shuffled"`` and ``"random"`` are controls.
        links: ``"shuffled"`` gives mentions the concepts of others: a control.
        encoder: ``"graph"`` for node and edge arrays, ``"linearised"`` for text of subgraphs.
        world_size: Ranks that share an epoch.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0, lt=2**63)
    corpus: Path
    corpus_sha: str
    graph_version: str
    relation_types: tuple[str, ...]
    tokenizer: Path
    tokenizer_sha: str = ""
    batch_size: int = Field(32, ge=1)
    max_length: int = Field(128, ge=8)
    name_length: int = Field(32, ge=3)
    graph_length: int = Field(128, ge=8)
    neighbours: int = Field(3, ge=0, le=64)
    hops: int = Field(1, ge=0, le=4)
    withheld: float = Field(0.1, ge=0, lt=1)
    withheld_edges: float = Field(0.0, ge=0, lt=1)
    mlm_probability: float = Field(0.15, ge=0, lt=1)
    hard_negatives: int = Field(0, ge=0, le=8)
    synonyms: bool = False
    further_concepts: int = Field(0, ge=0, le=65_536)
    mention_texts: bool = False
    swapped: float = Field(0.0, ge=0, lt=1)
    abbreviated: float = Field(0.0, ge=0, lt=1)
    dev_batches: int = Field(0, ge=0)
    graph: Literal["real", "shuffled", "random"] = "real"
    links: Literal["real", "shuffled"] = "real"
    encoder: Literal["graph", "linearised"] = "graph"
    world_size: int = Field(1, ge=1)
