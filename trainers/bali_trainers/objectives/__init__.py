"""Losses as objects with names, weights and metrics."""

from __future__ import annotations

from bali_trainers.objectives.base import Objective, Outcome
from bali_trainers.objectives.contrast import Alignment, MentionName, MultiSimilarity, NameName
from bali_trainers.objectives.mlm import GraphToText, MaskedTokens
from bali_trainers.objectives.reading import MentionText
from bali_trainers.objectives.relations import LinkPrediction, TextToGraph
from bali_trainers.training.config import ObjectivesConfig

__all__ = [
    "Alignment",
    "GraphToText",
    "LinkPrediction",
    "MaskedTokens",
    "MentionName",
    "MentionText",
    "MultiSimilarity",
    "NameName",
    "Objective",
    "Outcome",
    "TextToGraph",
    "build_objectives",
]


def build_objectives(config: ObjectivesConfig, width: int, relations: int) -> dict[str, Objective]:
    """Build the objectives that are switched on, by name.

    ``width`` is the size of token states, ``relations`` the number of relation types.
    """
    objectives: dict[str, Objective] = {}
    if (chosen := config.alignment) is not None:
        objectives["alignment"] = Alignment(chosen.weight, chosen.temperature)
    if (named := config.mention_name) is not None:
        objectives["mention_name"] = MentionName(named.weight, named.temperature)
    if config.mention_text is not None:
        objectives["mention_text"] = MentionText(config.mention_text.weight)
    if (pairs := config.name_name) is not None:
        objectives["name_name"] = NameName(pairs.weight, pairs.temperature)
    if (ms := config.multi_similarity) is not None:
        objectives["multi_similarity"] = MultiSimilarity(ms.weight, ms.alpha, ms.beta, ms.base)
    if config.mlm is not None:
        objectives["mlm"] = MaskedTokens(config.mlm.weight)
    if config.text_to_graph is not None:
        objectives["text_to_graph"] = TextToGraph(config.text_to_graph.weight, width, relations)
    if (links := config.link_prediction) is not None:
        objectives["link_prediction"] = LinkPrediction(
            links.weight, width, relations, links.temperature
        )
    if config.graph_to_text is not None:
        objectives["graph_to_text"] = GraphToText(config.graph_to_text.weight, width)
    return objectives
