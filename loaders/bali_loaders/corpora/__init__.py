"""Corpora: documents in, linked sentences out."""

from bali_loaders.corpora.definitions import definition_sentences, write_definitions
from bali_loaders.corpora.sentences import split_sentences

__all__ = ["definition_sentences", "split_sentences", "write_definitions"]
