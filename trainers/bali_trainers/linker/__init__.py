"""A linker that is trained on mentions: candidates, features, and how sure it is."""

from bali_trainers.linker.candidates import Candidates, Mentions, find_candidates
from bali_trainers.linker.evaluating import evaluate_linker, over_seeds
from bali_trainers.linker.knowledge import Knowledge, neighbours, read_edges
from bali_trainers.linker.model import Convention, LearnedLinker, LinkerFacts, Links, open_linker
from bali_trainers.linker.reading import joined, know
from bali_trainers.linker.training import are_right, train_linker

__all__ = [
    "Candidates",
    "Convention",
    "Knowledge",
    "LearnedLinker",
    "LinkerFacts",
    "Links",
    "Mentions",
    "are_right",
    "evaluate_linker",
    "find_candidates",
    "joined",
    "know",
    "neighbours",
    "open_linker",
    "over_seeds",
    "read_edges",
    "train_linker",
]
