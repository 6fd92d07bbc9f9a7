"""Encoders and objectives as one module: ``report = task(batch)``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bali_trainers.batches.batch import Batch
from bali_trainers.models.adapting import add_adapters, freeze_layers
from bali_trainers.models.graph import build_graph_encoder
from bali_trainers.models.pooling import MentionPooling
from bali_trainers.models.text import TextEncoder, load_text_encoder
from bali_trainers.models.views import Views
from bali_trainers.objectives.base import Objective
from bali_trainers.training.config import Config, OptimiserConfig


@dataclass(frozen=True, slots=True)
class Report:
    """What a batch gave.

    Attributes:
        loss: Weighted sum of the objectives' losses, with gradient: this rank's share.
        mean: The same sum over all ranks, without gradient.
        metrics: Detached scalars named ``objective/metric``.
    """

    loss: Tensor
    mean: Tensor
    metrics: Mapping[str, Tensor]


class Task(nn.Module):
    """A language model, a graph encoder, and what they are to learn."""

    def __init__(
        self,
        text: TextEncoder,
        pooling: MentionPooling,
        graph: nn.Module,
        objectives: Mapping[str, Objective],
    ) -> None:
        super().__init__()
        self.text = text
        self.pooling = pooling
        self.graph = graph
        self.objectives = nn.ModuleDict(objectives)

    def forward(self, batch: Batch) -> Report:
        """Compute the weighted loss and every objective's metrics."""
        views = Views(batch, self.text, self.pooling, self.graph)
        loss = mean = torch.zeros((), device=batch.concepts.device)
        metrics: dict[str, Tensor] = {}
        for name, objective in self.objectives.items():
            outcome = objective(views)
            loss = loss + objective.weight * outcome.loss
            mean = mean + objective.weight * outcome.metrics["loss"]
            metrics |= {f"{name}/{key}": value for key, value in outcome.metrics.items()}
        return Report(loss, mean, metrics)


def build_task(config: Config, relations: int) -> Task:
    """Load or build every part of the configured task, seeded by the configuration.

    ``relations`` is the number of relation types that batches may name.
    """
    torch.manual_seed(config.seed)
    text = load_text_encoder(config.model.base, recompute=config.run.chunk > 0)
    if config.model.frozen_layers:
        freeze_layers(text, config.model.frozen_layers)
    if config.model.lora_rank:
        add_adapters(text, config.model.lora_rank)
    if not config.objectives.need("tokens"):
        _freeze_head(text)
    return Task(
        text,
        MentionPooling(config.trained_pooling, text.width),
        build_graph_encoder(config.trained_encoder, text.width, relations),
        {
            name: objective.build(text.width, relations)
            for name, objective in config.objectives.active.items()
        },
    )


def parameter_groups(task: Task, config: OptimiserConfig) -> list[dict[str, object]]:
    """Sort trainable parameters into AdamW groups.

    What the checkpoint supplied learns at ``text_lr``, everything new at ``graph_lr``; biases and
    normalisation weights do not decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    pretrained = {
        parameter
        for name, parameter in task.text.model.named_parameters()
        if name not in task.text.fresh
    }
    for parameter in task.parameters():
        if parameter.requires_grad:
            rate = config.text_lr if parameter in pretrained else config.graph_lr
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _freeze_head(text: TextEncoder) -> None:
    """Take the unused head out of training; weights it shares with the encoder stay in."""
    encoder = set(text.model.base_model.parameters())
    for parameter in text.model.parameters():
        if parameter not in encoder:
            parameter.requires_grad_(False)
