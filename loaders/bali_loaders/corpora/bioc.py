"""BioC: documents of passages with located annotations, as XML elements or JSON objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from bali_loaders.corpora.codes import identifiers_under, texts_in
from bali_loaders.corpora.documents import (
    WITHOUT_PLACE,
    Annotation,
    Document,
    MalformedError,
    Relation,
    hull,
)

Json = Mapping[str, Any]
_WIDEST_GAP = 100_000
_LISTS = {
    "passage": "passages",
    "sentence": "sentences",
    "annotation": "annotations",
    "relation": "relations",
}


def bioc_document(document: Json, name: str) -> Document:
    """Put a BioC document's passages together, each annotation at the place it names.

    A passage begins at its offset where that leaves a gap to the one before, else after a space.
    Annotations may be the document's, a passage's or a sentence's; those without a location are
    losses. ``name`` is for a document without an id.
    """
    text, shifts = "", []
    found: list[tuple[Json, int | None]] = [(a, None) for a in objects(document, "annotations")]
    relations = list(objects(document, "relations"))
    for passage in objects(document, "passages"):
        inner = list(objects(passage, "sentences"))
        parts = [passage] if passage.get("text") or not inner else inner
        for part in parts:
            offset, content = whole_number(part.get("offset") or 0), _content(part)
            gap = offset - len(text)
            text += " " * (gap if 0 < gap <= _WIDEST_GAP else 1 if text else 0)
            shifts.append((offset, len(text) - offset))
            text += content
            found += [(a, shifts[-1][1]) for a in objects(part, "annotations")]
        for other in inner if parts == [passage] else [passage]:
            found += [(a, None) for a in objects(other, "annotations")]
        for level in (passage, *inner):
            relations += objects(level, "relations")
    placed = [(a, _annotation(a, shift, shifts, text)) for a, shift in found]
    by_id = {str(a.get("id")): p.identifiers for a, p in placed if p and p.identifiers}
    return Document(
        str(document.get("id") or name),
        text,
        tuple(p for _, p in placed if p),
        tuple(r for relation in relations if (r := _relation(relation, by_id))),
        losses=tuple(WITHOUT_PLACE for _, p in placed if not p),
    )


def bioc_element(element: Element, name: str) -> Document:
    """Read the ``<document>`` element of a BioC collection."""
    return bioc_document(_as_json(element), name)


def objects(parent: Json, key: str) -> Iterator[Json]:
    """Yield the objects in a list, which may be absent or null; else raise ``MalformedError``."""
    found = parent.get(key) or ()
    if not isinstance(found, list | tuple) or not all(isinstance(item, dict) for item in found):
        raise MalformedError(f"'{key}' is no list of objects")
    yield from found


def whole_number(value: Any) -> int:
    """Return an offset, which may be written as text; raises ``MalformedError`` for others."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise MalformedError(f"{value!r} is not an offset") from None


def _content(part: Json) -> str:
    content = part.get("text") or ""
    if not isinstance(content, str):
        raise MalformedError("the text of a passage is no text")
    return content


def _annotation(
    annotation: Json, shift: int | None, shifts: list[tuple[int, int]], text: str
) -> Annotation | None:
    spots = []
    for spot in objects(annotation, "locations"):
        start = whole_number(spot.get("offset"))
        moved = _shift_at(start, shifts) if shift is None else shift
        spots.append((start + moved, start + moved + whole_number(spot.get("length"))))
    if not spots:
        return None
    infons = annotation.get("infons") or {}
    kind = str(infons.get("type") or "")
    surface = annotation.get("text")
    start, end, parted = hull(spots, text)
    return Annotation(
        start,
        end,
        identifiers_under({k: v for k, v in infons.items() if k != "type"}, kind),
        kind,
        surface if isinstance(surface, str) else None,
        discontinuous=parted,
    )


def _shift_at(offset: int, shifts: list[tuple[int, int]]) -> int:
    return next((shift for start, shift in reversed(shifts) if start <= offset), 0)


def _relation(relation: Json, by_id: Mapping[str, tuple[str, ...]]) -> Relation | None:
    infons = relation.get("infons") or {}
    nodes = [by_id.get(str(node.get("refid")), ()) for node in objects(relation, "nodes")]
    ends = [node[0] for node in nodes if node] or [
        text for key in ("entity1", "entity2") for text in texts_in(infons.get(key, []))
    ]
    kind = str(infons.get("type") or infons.get("relation") or "")
    return Relation(kind, *ends) if len(ends) == 2 else None


def _as_json(element: Element) -> Json:
    content: dict[str, Any] = {
        "id": element.findtext("id") or element.get("id"),
        "offset": element.findtext("offset", "0"),
        "text": element.findtext("text"),
        "infons": {i.get("key", ""): i.text or "" for i in element.iterfind("infon")},
        "locations": [dict(location.attrib) for location in element.iterfind("location")],
        "nodes": [dict(node.attrib) for node in element.iterfind("node")],
    }
    for tag, key in _LISTS.items():
        content[key] = [_as_json(found) for found in element.iterfind(tag)]
    return content
