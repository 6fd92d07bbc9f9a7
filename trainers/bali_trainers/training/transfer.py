"""Going on from an aligned model, on another graph or text.

The language model goes on by itself: it is the base. What the graph encoder had learned is in the
base's folder; relations are known by their names, so another graph may have more, fewer or others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bali_platform.base.errors import UsageError
from bali_trainers.models.bases import resolve_base
from bali_trainers.models.graph import GraphNetwork
from bali_trainers.models.saved_graph import load_graph_encoder
from bali_trainers.training.config import Config, GraphEncoderConfig
from bali_trainers.training.joint_model import Task


def continue_from_base(
    task: Task, config: Config, relation_types: Sequence[str], say: Callable[[str], None]
) -> None:
    """Take over the graph encoder of an exported model that is the base of ``task``.

    The vector of a relation type that the base did not know begins as the mean of those it did, of
    the same direction; that of one that is gone is dropped. With ``[graph_encoder] frozen``, all of
    it stays as it is. A base without a graph encoder changes nothing.

    Raises :class:`UsageError` when the configured encoder is another than the base's.
    """
    wanted = config.graph_encoder
    if not isinstance(task.graph, GraphNetwork):
        return
    saved = load_graph_encoder(Path(resolve_base(config.model.base)))
    if wanted.start == "fresh" or saved is None:
        if wanted.frozen:
            raise UsageError(
                f"[graph_encoder] frozen = true: '{config.model.base}' brings no graph encoder, "
                "and one that knows nothing must learn"
            )
        return
    _check(wanted, saved.facts.encoder)
    weights = dict(saved.graph.state_dict())
    new = [name for name in relation_types if name not in saved.facts.relation_types]
    if task.graph.relation is not None:
        table = weights["relation.weight"]
        weights["relation.weight"] = _rows(table, saved.facts.relation_types, relation_types)
    task.graph.load_state_dict(weights)
    if saved.relations is not None and "link_prediction" in task.objectives:
        vectors = _directed(saved.relations, saved.facts.relation_types, relation_types)
        task.objectives["link_prediction"].load_state_dict({"relation": vectors})
    if saved.facts.pooling == config.trained_pooling:
        task.pooling.load_state_dict(saved.pooling.state_dict())
    if wanted.frozen:
        task.graph.requires_grad_(False)
    gone = len(set(saved.facts.relation_types) - set(relation_types))
    say(
        f"graph encoder of {config.model.base}: {len(relation_types) - len(new)} relation types "
        f"known, {len(new)} new, {gone} gone"
    )


def _check(wanted: GraphEncoderConfig, saved: GraphEncoderConfig) -> None:
    """Refuse another architecture; backends share their weights, and dropout has none."""
    for name in ("kind", "layers", "heads", "relations", "residual"):
        if getattr(wanted, name) != getattr(saved, name):
            raise UsageError(
                f"[graph_encoder] {name} = {getattr(wanted, name)!r}, the base's is "
                f"{getattr(saved, name)!r}: take that, or start = 'fresh'"
            )


def _rows(table: Tensor, old: Sequence[str], new: Sequence[str]) -> Tensor:
    """Return the vectors of ``new`` relation types, ``[2 * new + 1, d]``, by name from ``old``'s.

    The rows are two a relation, one for each direction, and a last one for loops.
    """
    return torch.cat([_directed(table[:-1], old, new), table[-1:]])


def _directed(table: Tensor, old: Sequence[str], new: Sequence[str]) -> Tensor:
    """Return the two vectors of each of the ``new`` types, by name from ``old``'s."""
    directed = table.unflatten(0, (-1, 2))
    place = {name: row for row, name in enumerate(old)}
    mean = directed.mean(0)
    found = [directed[place[name]] if name in place else mean for name in new]
    return torch.stack(found).flatten(0, 1)
