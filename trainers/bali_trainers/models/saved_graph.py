"""The graph encoder of an exported model: weights, and what its inputs must be like."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bali_platform.base.errors import BaliError
from bali_trainers.batches.spec import DataSpec
from bali_trainers.models.graph import build_graph_encoder
from bali_trainers.models.pooling import MentionPooling
from bali_trainers.training.config import Config, GraphEncoderConfig
from bali_trainers.training.joint_model import Task

FOLDER = "graph_encoder"
"""The folder inside an exported model."""

RELATIONS = "link_prediction.relation"


class GraphFacts(BaseModel):
    """What a saved graph encoder is, and how the subgraphs that it read were drawn.

    ``relation_types`` are in the order that numbers them, see
    :class:`~bali_trainers.batches.spec.DataSpec`, from which the lengths are, too, and
    ``withheld_edges``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: GraphEncoderConfig
    pooling: Literal["mean", "first", "max", "attention"]
    width: int
    relation_types: tuple[str, ...]
    graph_version: str
    withheld_edges: float = 0.0
    neighbours: int
    choice: Literal["even", "telling"] = "even"
    hops: int
    max_length: int
    name_length: int
    graph_length: int


@dataclass(frozen=True)
class SavedGraph:
    """A graph encoder and the mention pooling that was trained with it, ready to use.

    Attributes:
        relations: Of link prediction, if it was trained: the vector that leads from a concept to a
            neighbour, for each relation type and direction, ``[2 * types, d]``.
    """

    facts: GraphFacts
    graph: nn.Module
    pooling: MentionPooling
    relations: Tensor | None


def save_graph_encoder(task: Task, config: Config, spec: DataSpec, model: Path) -> None:
    """Write the graph encoder of ``task`` as a part of the exported model in folder ``model``."""
    facts = GraphFacts(
        encoder=config.trained_encoder,
        pooling=config.trained_pooling,
        width=task.text.width,
        relation_types=spec.relation_types,
        graph_version=spec.graph_version,
        withheld_edges=spec.withheld_edges,
        neighbours=spec.neighbours,
        choice=spec.choice,
        hops=spec.hops,
        max_length=spec.max_length,
        name_length=spec.name_length,
        graph_length=spec.graph_length,
    )
    folder = model / FOLDER
    folder.mkdir()
    tensors = nn.ModuleDict({"graph": task.graph, "pooling": task.pooling}).state_dict()
    if "link_prediction" in task.objectives:
        tensors[RELATIONS] = task.objectives["link_prediction"].state_dict()["relation"]
    # Layers of shared weights hold a matrix under two names.
    save_file(
        {name: value.clone() for name, value in tensors.items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(facts.model_dump_json(indent=2), encoding="utf-8")


def load_graph_encoder(model: Path) -> SavedGraph | None:
    """Load the graph encoder of an exported model, on PyG; None where the folder has none.

    Raises :class:`BaliError` when it is damaged.
    """
    folder = model / FOLDER
    if not folder.is_dir():
        return None
    try:
        facts = GraphFacts.model_validate(json.loads((folder / "config.json").read_bytes()))
        config = facts.encoder.model_copy(update={"backend": "pyg"})
        graph = build_graph_encoder(config, facts.width, len(facts.relation_types))
        pooling = MentionPooling(facts.pooling, facts.width)
        tensors = load_file(folder / "model.safetensors")
        relations = tensors.pop(RELATIONS, None)
        nn.ModuleDict({"graph": graph, "pooling": pooling}).load_state_dict(tensors)
    except (OSError, ValueError, ValidationError, SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BaliError(f"{folder} is damaged ({reason}): export the model again") from None
    return SavedGraph(facts, graph.eval(), pooling.eval(), relations)
