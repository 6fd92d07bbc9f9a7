"""Linking: the names of a graph, found in text."""

from bali_loaders.linking.dictionary import Dictionary, compile_dictionary, open_dictionary
from bali_loaders.linking.linker import (
    Ambiguous,
    Linker,
    Unlinked,
    drop_withheld,
    graph_dictionary,
)
from bali_loaders.linking.matcher import Match, Matcher, Matches, Overlaps
from bali_loaders.linking.reranking import Encoder, Question, Reranker, RerankerSource
from bali_loaders.linking.scoring import LinkerScore, Score, score_linker

__all__ = [
    "Ambiguous",
    "Dictionary",
    "Encoder",
    "Linker",
    "LinkerScore",
    "Match",
    "Matcher",
    "Matches",
    "Overlaps",
    "Question",
    "Reranker",
    "RerankerSource",
    "Score",
    "Unlinked",
    "compile_dictionary",
    "drop_withheld",
    "graph_dictionary",
    "open_dictionary",
    "score_linker",
]
