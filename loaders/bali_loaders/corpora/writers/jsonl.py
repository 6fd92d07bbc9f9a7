"""JSON lines: of one's own shape, and doccano's."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from bali_loaders.corpora.writers.files import write_pieces
from bali_loaders.corpora.writers.linked import LinkedDocument, extras


def write_jsonl(documents: Iterable[LinkedDocument], path: Path) -> None:
    """Write an object a document: ``id``, ``text`` and ``mentions``, with all that is known."""
    write_pieces(path, (json.dumps(_object(d), ensure_ascii=False) + "\n" for d in documents))


def write_doccano(documents: Iterable[LinkedDocument], path: Path) -> None:
    """Write what doccano imports for sequence labelling: marks labelled by CUI."""
    rows = (
        {"id": d.id, "text": d.text, "label": [[m.start, m.end, m.cui] for m in d.mentions]}
        for d in documents
    )
    write_pieces(path, (json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _object(document: LinkedDocument) -> dict[str, object]:
    mentions = [
        {
            "start": m.start,
            "end": m.end,
            "cui": m.cui,
            "text": document.text[m.start : m.end],
            **extras(m),
        }
        for m in document.mentions
    ]
    return {"id": document.id, "text": document.text, "mentions": mentions}
