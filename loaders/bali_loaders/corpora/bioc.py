"""BioC, as XML or JSON: documents of passages with located annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Expat bounds the expansion of entities, and iterparse loads nothing from elsewhere.
from xml.etree.ElementTree import Element, ParseError, iterparse

from bali_loaders.corpora.documents import Annotation, Document, open_bytes
from bali_platform.errors import BaliError

__all__ = ["bioc_document", "read_bioc_json", "read_bioc_xml"]

Json = Mapping[str, Any]
_IDENTIFIER_KEYS = ("identifier", "mesh", "cui", "umls", "concept_id")


def read_bioc_json(path: Path) -> Iterator[Document]:
    """Yield the documents of a BioC JSON collection, or of PubTator's export."""
    with open_bytes(path) as file:
        try:
            content = json.load(file)
        except (ValueError, EOFError, OSError) as error:
            raise BaliError(f"{path}: not JSON ({error})") from None
    documents = content
    if isinstance(content, dict):
        documents = content.get("documents") or content.get("PubTator3") or [content]
    for document in documents:
        yield _convert(document, path)


def read_bioc_xml(path: Path) -> Iterator[Document]:
    """Yield the documents of a BioC XML collection, one at a time."""
    with open_bytes(path) as file:
        try:
            for _, element in iterparse(file):  # noqa: S314
                if element.tag == "document":
                    yield _convert(_from_xml(element), path)
                    element.clear()
        except (ParseError, EOFError, OSError) as error:
            raise BaliError(f"{path}: not well-formed XML ({error})") from None


def bioc_document(document: Json) -> Document:
    """Put a BioC document's passages together, each annotation at the place it names.

    A passage begins at its offset where that leaves a gap to the one before, else after a space.
    """
    text = ""
    annotations: list[Annotation] = []
    for passage in document["passages"]:
        for part in passage.get("sentences") or [passage]:
            offset = int(part.get("offset", 0))
            text += " " * max(offset - len(text), 1 if text else 0)
            shift = len(text) - offset
            text += part.get("text") or ""
            annotations += [_annotation(a, shift) for a in part.get("annotations", ())]
    return Document(str(document["id"]), text, tuple(annotations))


def _annotation(annotation: Json, shift: int) -> Annotation:
    spots = [
        (int(s["offset"]), int(s["offset"]) + int(s["length"])) for s in annotation["locations"]
    ]
    infons = {str(key).lower(): str(value) for key, value in annotation.get("infons", {}).items()}
    identifiers = next((infons[key] for key in _IDENTIFIER_KEYS if infons.get(key)), "")
    return Annotation(
        # The hull of a discontinuous mention, whose own text will not be found there.
        start=min(start for start, _ in spots) + shift,
        end=max(end for _, end in spots) + shift,
        identifiers=tuple(
            part.strip() for part in identifiers.replace(";", ",").split(",") if part.strip()
        ),
        kind=infons.get("type", ""),
        surface=annotation.get("text"),
    )


def _convert(document: Json, path: Path) -> Document:
    try:
        return bioc_document(document)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        name = document.get("id", "?") if isinstance(document, dict) else "?"
        raise BaliError(
            f"{path}: document {name} is not BioC ({type(error).__name__}: {error})"
        ) from None


def _from_xml(element: Element) -> Json:
    return {
        "id": element.findtext("id", ""),
        "passages": [_passage(passage) for passage in element.iterfind("passage")],
    }


def _passage(element: Element) -> Json:
    return {
        "offset": element.findtext("offset", "0"),
        "text": element.findtext("text", ""),
        "annotations": [_xml_annotation(found) for found in element.iterfind("annotation")],
        "sentences": [_passage(sentence) for sentence in element.iterfind("sentence")],
    }


def _xml_annotation(element: Element) -> Json:
    return {
        "infons": {infon.get("key", ""): infon.text or "" for infon in element.iterfind("infon")},
        "text": element.findtext("text"),
        "locations": [location.attrib for location in element.iterfind("location")],
    }
