"""Linking: the names of a graph, found in text."""

from bali_loaders.linking.dictionary import Dictionary, compile_dictionary, open_dictionary
from bali_loaders.linking.linker import Ambiguous, Linker, Unlinked, graph_dictionary
from bali_loaders.linking.matcher import Match, Matcher, Matches, Overlaps

__all__ = [
    "Ambiguous",
    "Dictionary",
    "Linker",
    "Match",
    "Matcher",
    "Matches",
    "Overlaps",
    "Unlinked",
    "compile_dictionary",
    "graph_dictionary",
    "open_dictionary",
]
