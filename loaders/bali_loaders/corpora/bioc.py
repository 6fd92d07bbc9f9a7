"""BioC: documents of passages with located annotations, as XML elements or JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from bali_loaders.corpora.documents import Annotation, Document, split_identifiers

Json = Mapping[str, Any]
_IDENTIFIER_KEYS = ("identifier", "mesh", "cui", "umls", "concept_id")


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


def bioc_element(element: Element) -> Document:
    """Read the ``<document>`` element of a BioC collection."""
    return bioc_document(
        {
            "id": element.findtext("id", ""),
            "passages": [_passage(passage) for passage in element.iterfind("passage")],
        }
    )


def _annotation(annotation: Json, shift: int) -> Annotation:
    spots = [
        (int(s["offset"]), int(s["offset"]) + int(s["length"])) for s in annotation["locations"]
    ]
    infons = {str(key).lower(): str(value) for key, value in annotation.get("infons", {}).items()}
    identifiers = next((infons[key] for key in _IDENTIFIER_KEYS if infons.get(key)), "")
    kind = infons.get("type", "")
    return Annotation(
        start=min(start for start, _ in spots) + shift,
        end=max(end for _, end in spots) + shift,
        identifiers=split_identifiers(identifiers, kind),
        kind=kind,
        surface=annotation.get("text"),
        discontinuous=len(spots) > 1,
    )


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
