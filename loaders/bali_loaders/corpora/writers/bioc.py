"""BioC, as XML and as JSON: one passage a document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from bali_loaders.corpora.writers.files import write_pieces
from bali_loaders.corpora.writers.linked import LinkedDocument, extras

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
_SOURCE = "<collection><source>BALI</source><date></date><key></key>\n"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_KEPT = {"\r": "&#13;"}


def write_bioc_xml(documents: Iterable[LinkedDocument], path: Path) -> None:
    """Write a collection; characters that XML cannot hold become spaces."""
    pieces = (_element(_object(document)) for document in documents)
    write_pieces(path, _framed(_HEAD + _SOURCE, pieces, "", "</collection>\n"))


def write_bioc_json(documents: Iterable[LinkedDocument], path: Path) -> None:
    """Write a collection."""
    objects = (json.dumps(_object(document), ensure_ascii=False) for document in documents)
    head = '{"source": "BALI", "date": "", "key": "", "infons": {}, "documents": [\n'
    write_pieces(path, _framed(head, objects, ",\n", "\n]}\n"))


def _framed(head: str, pieces: Iterable[str], between: str, tail: str) -> Iterator[str]:
    yield head
    for number, piece in enumerate(pieces):
        yield between * (number > 0) + piece
    yield tail


def _object(document: LinkedDocument) -> dict[str, Any]:
    annotations = [
        {
            "id": str(number),
            "infons": {
                "type": ", ".join(document.types(m.cui)),
                "identifier": m.cui,
                "name": document.name(m.cui),
                **{k: v if isinstance(v, str) else json.dumps(v) for k, v in extras(m).items()},
            },
            "text": document.text[m.start : m.end],
            "locations": [{"offset": m.start, "length": m.end - m.start}],
        }
        for number, m in enumerate(document.mentions)
    ]
    passage = {"offset": 0, "infons": {}, "text": document.text, "annotations": annotations}
    return {"id": document.id, "infons": {}, "passages": [passage]}


def _element(document: Mapping[str, Any]) -> str:
    (passage,) = document["passages"]
    return (
        f"<document><id>{_text(document['id'])}</id><passage><offset>0</offset>"
        f"<text>{_text(passage['text'])}</text>{''.join(map(_mark, passage['annotations']))}"
        "</passage></document>\n"
    )


def _mark(annotation: Mapping[str, Any]) -> str:
    infons = "".join(
        f"<infon key={quoteattr(key)}>{_text(value)}</infon>"
        for key, value in annotation["infons"].items()
    )
    (spot,) = annotation["locations"]
    return (
        f'<annotation id="{annotation["id"]}">{infons}<location offset="{spot["offset"]}" '
        f'length="{spot["length"]}"/><text>{_text(annotation["text"])}</text></annotation>'
    )


def _text(text: str) -> str:
    return escape(_NOT_IN_XML.sub(" ", text), _KEPT)
