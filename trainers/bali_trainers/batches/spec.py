"""Everything that a training batch depends on, as one JSON-able record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class BatchRecipe(BaseModel):
    """What a user decides about batches: the part of ``[data]`` that :class:`DataSpec` pins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: Count = 32
    """Sentences per batch and rank."""
    sentences_per_concept: Annotated[int, Field(ge=0)] = 0
    """Sentences drawn for each concept, before training, of those that mention it; what is drawn
    for none of its concepts is left out. 0 leaves out nothing."""
    max_length: Annotated[int, Field(ge=8)] = 128
    """Word pieces of a sentence, special tokens included."""
    name_length: Annotated[int, Field(ge=4)] = 32
    """Word pieces of a name, special tokens included."""
    graph_length: Annotated[int, Field(ge=8)] = 128
    """Word pieces of a linearised subgraph, special tokens included."""
    neighbours: Annotated[int, Field(ge=0, le=64)] = 3
    """Neighbours drawn for every node that is expanded."""
    hops: Annotated[int, Field(ge=1, le=4)] = 1
    """Distance from the mentioned concept up to which nodes are drawn."""
    choice: Literal["even", "telling"] = "even"
    """Which neighbours are drawn: all alike, or those with the fewest neighbours of their own."""
    hidden_names: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of concepts whose own name the graph encoder does not see: it reads the mask token,
    and has to tell them by their neighbours."""
    relatives: Literal["negatives", "left out"] = "negatives"
    """Whether contrasts push a concept away from its parents, children, siblings, and those of the
    same name."""
    further_concepts: Annotated[int, Field(ge=0, le=65_536)] = 0
    """Concepts of the whole graph that join those mentioned in each batch and rank, with
    neighbourhoods like theirs, for name_name and link_prediction: names and edges of which the
    corpus does not speak are learned too."""
    mention_texts: bool = False
    """Whether what a text calls a concept counts among its names: it is the second name of
    name_name, and the name of mention_name."""
    swapped: Fraction = 0.0
    """Fraction of mentions that are shown as another concept of the graph, and mean it."""
    abbreviated: Fraction = 0.0
    """Fraction of mentions of several words that are shown by their initials, most of which are
    defined beside or before."""
    withheld: Fraction = 0.1
    """Fraction of synonyms that no batch may contain: to evaluate on."""
    withheld_edges: Fraction = 0.0
    """Fraction of related pairs of concepts whose edges no batch may contain: to evaluate on."""
    mlm_probability: Fraction = 0.15
    """Fraction of tokens to predict."""
    hard_negatives: Annotated[int, Field(ge=0, le=8)] = 0
    """Concepts contrasted with each one mentioned: half siblings, half of names that look alike."""
    dev_batches: Annotated[int, Field(ge=0)] = 0
    """Batches of each rank whose sentences are held out of training, to evaluate on."""
    graph: Literal["real", "shuffled", "random"] = "real"
    """Controls, from which nothing can be gained: ``"shuffled"`` gives every concept the edges of
    another, ``"random"`` edges to anything."""
    links: Literal["real", "shuffled"] = "real"
    """A control: ``"shuffled"`` says of every mention that it means what another one does."""


class LinkingTask(BaseModel):
    """Mentions to link while a run trains, and the dictionary to look them up in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concepts: dict[str, tuple[str, ...]]
    """Names by CUI."""
    mentions: dict[str, tuple[str, ...]]
    """By what they are called, the concepts that may be meant."""


class DataSpec(BatchRecipe):
    """The recipe of a run's batches, pinned: the same spec gives the same bytes on any host."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    corpus: Path
    """Folder of a linked corpus, whose description must carry ``corpus_sha``."""
    corpus_sha: str
    graph_version: str
    """The graph that neighbourhoods and names must come from."""
    relation_types: tuple[str, ...]
    """Relationship types in the order that numbers them."""
    tokenizer: Path
    """Folder with ``tokenizer.json`` and ``tokenizer_config.json``."""
    tokenizer_sha: str = ""
    """Digest of these files, by which another machine knows its copy."""
    synonyms: bool = False
    """Whether second names are drawn for concepts mentioned, and for further ones."""
    encoder: Literal["graph", "linearised"] = "graph"
    """``"graph"`` for node and edge arrays, ``"linearised"`` for text of subgraphs."""
    world_size: Count = 1
    """Ranks that share an epoch."""
    linking: LinkingTask | None = None
    """What is asked beside the dev batches, if anything."""
