"""Corpora: documents in, linked sentences out."""

from bali_loaders.corpora.definitions import definition_sentences, write_definitions
from bali_loaders.corpora.documents import Annotation, Document
from bali_loaders.corpora.formats import READERS, read_documents
from bali_loaders.corpora.identifiers import GraphCodes, IdentifierMap, read_identifier
from bali_loaders.corpora.imports import annotated_sentences, linked_sentences, unrepeated
from bali_loaders.corpora.sentences import split_sentences

__all__ = [
    "READERS",
    "Annotation",
    "Document",
    "GraphCodes",
    "IdentifierMap",
    "annotated_sentences",
    "definition_sentences",
    "linked_sentences",
    "read_documents",
    "read_identifier",
    "split_sentences",
    "unrepeated",
    "write_definitions",
]
