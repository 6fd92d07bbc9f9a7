"""spaCy's DocBin (``.spacy``), where spaCy is installed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from bali_loaders.corpora.codes import is_identifier
from bali_loaders.corpora.documents import Annotation, Document
from bali_loaders.corpora.sources import Source, unpacked
from bali_platform.base.errors import BaliError, UsageError


def read_docbin(source: Source) -> Iterator[Document]:
    """Yield the documents of a DocBin with entities, whose ``kb_id`` or label is a concept."""
    try:
        import spacy
        from spacy.tokens import DocBin
    except ImportError:
        raise UsageError(f"{source.path}: needs spaCy: pip install 'bali[spacy]'") from None
    with unpacked(source.path) as file:
        data = file.read()
    vocabulary = spacy.blank("en").vocab
    try:
        documents = DocBin(store_user_data=True).from_bytes(data).get_docs(vocabulary)
        for number, document in enumerate(documents, 1):
            marks = tuple(
                Annotation(
                    entity.start_char,
                    entity.end_char,
                    tuple(i for i in (entity.kb_id_, entity.label_) if i and is_identifier(i))[:1],
                    entity.label_,
                )
                for entity in document.spans.get("bali", document.ents)
            )
            name = document.user_data.get("id") or f"{source.name}:{number}"
            yield Document(str(name), document.text, marks)
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise BaliError(f"{source.path}: no DocBin that this spaCy reads ({error})") from None
