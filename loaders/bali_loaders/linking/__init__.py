"""Linking: the names of a graph, found in text."""

from bali_loaders.linking.dictionary import Dictionary, compile_dictionary, open_dictionary
from bali_loaders.linking.engine import Decider, Linked, LinkedMention, Omitted, TextLinker
from bali_loaders.linking.facts import ConceptFacts, compile_facts, open_facts
from bali_loaders.linking.linker import (
    Ambiguous,
    Linker,
    Unlinked,
    drop_withheld,
    graph_dictionary,
    graph_linker,
)
from bali_loaders.linking.matcher import Match, Matcher, Matches, Overlaps
from bali_loaders.linking.options import PRESETS, LinkOptions, Preset, chosen_options
from bali_loaders.linking.reranking import Encoder, Question, Reranker, RerankerSource
from bali_loaders.linking.scoring import LinkerScore, Score, score_documents, score_linker

__all__ = [
    "PRESETS",
    "Ambiguous",
    "ConceptFacts",
    "Decider",
    "Dictionary",
    "Encoder",
    "LinkOptions",
    "Linked",
    "LinkedMention",
    "Linker",
    "LinkerScore",
    "Match",
    "Matcher",
    "Matches",
    "Omitted",
    "Overlaps",
    "Preset",
    "Question",
    "Reranker",
    "RerankerSource",
    "Score",
    "TextLinker",
    "Unlinked",
    "chosen_options",
    "compile_dictionary",
    "compile_facts",
    "drop_withheld",
    "graph_dictionary",
    "graph_linker",
    "open_dictionary",
    "open_facts",
    "score_documents",
    "score_linker",
]
