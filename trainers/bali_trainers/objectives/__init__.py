"""Losses as objects with names, weights and metrics."""

from __future__ import annotations

from bali_trainers.config import ObjectivesConfig
from bali_trainers.objectives.base import Objective, Outcome
from bali_trainers.objectives.contrast import Alignment
from bali_trainers.objectives.mlm import MaskedTokens

__all__ = ["Alignment", "MaskedTokens", "Objective", "Outcome", "build_objectives"]


def build_objectives(config: ObjectivesConfig) -> dict[str, Objective]:
    """Build the objectives that are switched on, by name."""
    objectives: dict[str, Objective] = {}
    if config.alignment is not None:
        objectives["alignment"] = Alignment(config.alignment.weight, config.alignment.temperature)
    if config.mlm is not None:
        objectives["mlm"] = MaskedTokens(config.mlm.weight)
    return objectives
