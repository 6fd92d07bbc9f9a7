"""Corpora: documents in, linked sentences out."""

from bali_loaders.corpora.building import Conversion, Reading, build_corpus
from bali_loaders.corpora.codes import read_identifier
from bali_loaders.corpora.conversions import ImportAnnotations, LinkDocuments, LinkNames
from bali_loaders.corpora.definitions import definition_sentences, write_definitions
from bali_loaders.corpora.documents import Annotation, Document, Relation
from bali_loaders.corpora.formats import READERS, read_documents
from bali_loaders.corpora.identifiers import GraphCodes, IdentifierMap, TableCodes
from bali_loaders.corpora.imports import annotated_sentences, linked_sentences
from bali_loaders.corpora.sentences import split_sentences
from bali_loaders.corpora.sources import UNREAD, Notes
from bali_loaders.corpora.splitting import split_corpus

__all__ = [
    "READERS",
    "UNREAD",
    "Annotation",
    "Conversion",
    "Document",
    "GraphCodes",
    "IdentifierMap",
    "ImportAnnotations",
    "LinkDocuments",
    "LinkNames",
    "Notes",
    "Reading",
    "Relation",
    "TableCodes",
    "annotated_sentences",
    "build_corpus",
    "definition_sentences",
    "linked_sentences",
    "read_documents",
    "read_identifier",
    "split_corpus",
    "split_sentences",
    "write_definitions",
]
