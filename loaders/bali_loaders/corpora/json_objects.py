"""What one object of JSON is as a document: a tool's export, or what people make themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bali_loaders.corpora.bioc import bioc_document, objects, whole_number
from bali_loaders.corpora.codes import identifiers_under, is_identifier, split_identifiers, texts_in
from bali_loaders.corpora.documents import (
    FURTHER,
    REJECTED,
    SUGGESTED,
    WITHOUT_PLACE,
    Annotation,
    Document,
    MalformedError,
    hull,
)

Json = Mapping[str, Any]
ID_KEYS = (
    "id",
    "doc_id",
    "document_id",
    "document",
    "pmid",
    "note_id",
    "row_id",
    "docid",
)
TEXT_KEYS = ("text", "data", "note_text")
_MARKS = ("mentions", "entities", "annotations", "spans", "labels", "label", "ents", "denotations")
STARTS = ("start", "start_offset", "begin", "start_char", "startoffset", "beginoffset", "offset")
ENDS = ("end", "end_offset", "end_char", "endoffset", "stop")
KINDS = ("type", "label", "obj", "labels", "category", "entity_group", "entity_type", "semtype")
_SURFACES = ("text", "mention", "value", "surface", "source_value", "word")
_TAGS = frozenset({"ner_tags", "ner", "tags", "bio", "iob"})
# Lists of things with a place that are no marks.
_PARTS = frozenset({"tokens", "sents", "sentences", "sections", "paragraphs", "relations", "cats"})
_NO_DOCUMENTS = {
    "%FEATURE_STRUCTURES": "a CAS of UIMA: export it as WebAnno TSV",
    "resourceType": "a resource of FHIR: write the texts that it holds, one a line",
}
"""Keys that show what is no document, and what to do about it."""
_COLLECTIONS = ("documents", "PubTator3", "projects")


def documents_in(value: Any) -> Iterator[Any]:
    """Yield what stands for one document in a value of JSON, however collections wrap it."""
    if isinstance(value, list) and not _is_pair(value):
        for item in value:
            yield from documents_in(item)
    elif isinstance(value, dict) and (key := next((k for k in _COLLECTIONS if k in value), None)):
        yield from documents_in(value[key] or [])
    elif isinstance(value, dict) and any(map(_is_pair, value.get("annotations") or ())):
        yield from filter(None, documents_in([*value["annotations"]]))  # null is a skipped one
    elif _is_pair(value):
        yield {"text": value[0], **value[1]}
    else:
        yield value


def read_object(value: Any, name: str) -> Document:
    """Read the object of a document; ``name`` is for one without an id.

    BioC, BigBio, Label Studio and BERN2 are known by their shape. Any other has a text or tokens,
    and marks, under one of several keys. Raises :class:`MalformedError`.
    """
    if not isinstance(value, dict):
        raise MalformedError("it is no object")
    if "passages" in value:
        is_bigbio = any("offsets" in passage for passage in objects(value, "passages"))
        return _from_bigbio(value, name) if is_bigbio else bioc_document(value, name)
    if failure := value.get("error_message") or value.get("error_code") or value.get("error"):
        raise MalformedError(f"the tool that made it failed: {failure}")
    if isinstance(value.get("data"), dict):
        return _from_label_studio(value, name)
    return _from_object(value, name)


def first_of(row: Json, keys: Sequence[str]) -> Any:
    """Return the first value that is there; ``Note Text`` is ``note_text``; None without."""
    found = {"_".join(str(key).lower().split()): value for key, value in row.items()}
    return next((found[key] for key in keys if found.get(key) not in (None, "")), None)


def _from_object(row: Json, name: str) -> Document:
    answer = row.get("answer")
    if answer not in (None, "accept"):
        raise MalformedError(f"the annotator's answer is '{answer}', not 'accept'")
    name = str(first_of(row, ID_KEYS) or name)
    marks = _marks_of(row)
    tokens = row.get("tokens")
    if tokens and isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
        return _from_tokens(name, tokens, marks)
    text = first_of(row, TEXT_KEYS) or _abstract(row)
    if text is None and not {str(key).lower() for key in row}.intersection(TEXT_KEYS):
        what = next((what for key, what in _NO_DOCUMENTS.items() if key in row), None)
        keys = ", ".join(map(str, row)) or "none"
        raise MalformedError(what or f"no 'text' among its keys: {keys}")
    if not isinstance(text, str | None):
        raise MalformedError(f"its text is {type(text).__name__}, not text")
    return _with_marks(name, text or "", marks)


def _abstract(row: Json) -> str | None:
    """Return title and abstract, parted by one character as PubTator counts."""
    parts = [part for key in ("title", "abstract") if isinstance(part := row.get(key), str)]
    return "\n".join(parts) if len(parts) == 2 else None


def _marks_of(row: Json) -> list[Any]:
    """Return what is marked; raises :class:`MalformedError` for marks under an unknown key."""
    if tracks := list(objects(row, "tracks")):  # one of PubAnnotation's projects each
        return [mark for track in tracks for mark in _marks_of(track)]
    for key in _MARKS:
        found = row.get(key)
        if isinstance(found, dict):
            found = list(found.values())
        if isinstance(found, list) and found:
            return [_attributed(mark, row) for mark in found]
    for key, value in row.items():
        if key not in _PARTS and isinstance(value, list) and _holds_marks(key, value):
            remedy = "give the tokens that each has under" if key in _TAGS else "rename it to"
            raise MalformedError(
                f"marks under the unknown key '{key}': {remedy} one of {', '.join(_MARKS)}"
            )
    return []


def _attributed(mark: Any, row: Json) -> Any:
    """Add to one of PubAnnotation's denotations the identifiers that attributes give it."""
    if not isinstance(mark, dict) or "attributes" not in row:
        return mark
    own = [a.get("obj") for a in objects(row, "attributes") if a.get("subj") == mark.get("id")]
    found = [value for value in own if isinstance(value, str) and is_identifier(value)]
    return {**mark, "identifiers": found} if found else mark


def _holds_marks(key: str, values: Sequence[Any]) -> bool:
    if key in _TAGS:
        return not {*map(str, values)} <= {"O", "0"}
    nested = (value for value in values if isinstance(value, dict))
    return _is_mark(next(iter(values), None)) or any(
        value.get(k) for value in nested for k in _MARKS
    )


def _is_mark(value: Any) -> bool:
    if isinstance(value, dict):
        return bool({"offsets", "span"}.intersection(value)) or (
            first_of(value, STARTS) is not None and first_of(value, (*ENDS, "length")) is not None
        )
    return (
        isinstance(value, list)
        and len(value) >= 3
        and all(isinstance(place, int) for place in value[:2])
    )


def _with_marks(name: str, text: str, marks: Iterable[Any]) -> Document:
    annotations, losses = [], []
    for mark in marks:
        found = _mention(mark, text)
        if isinstance(found, str):
            losses.append(found)
        else:
            annotations.append(found)
    return Document(name, text, tuple(annotations), losses=tuple(losses))


def _from_tokens(name: str, tokens: Sequence[str], marks: Sequence[Any]) -> Document:
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token) + 1)
    annotations, losses = [], []
    for mention in (_mention(mark, "") for mark in marks):
        if isinstance(mention, str):
            losses.append(mention)
        elif not 0 <= mention.start < mention.end <= len(tokens):
            raise MalformedError(f"no tokens {mention.start} to {mention.end} among {len(tokens)}")
        else:
            span = starts[mention.start], starts[mention.end] - 1
            annotations.append(Annotation(*span, mention.identifiers, mention.kind))
    return Document(name, " ".join(tokens), tuple(annotations), losses=tuple(losses))


def _mention(mark: Any, text: str) -> Annotation | str:
    """Return a mark as an annotation, or as the reason why it is none."""
    if isinstance(mark, list):
        if len(mark) < 2:
            raise MalformedError(f"a mention is {mark}, not [start, end, identifier]")
        label = texts_in(mark[2]) if len(mark) > 2 else []
        identifiers = tuple(i for part in label for i in split_identifiers(part))
        return Annotation(whole_number(mark[0]), whole_number(mark[1]), identifiers)
    if not isinstance(mark, dict):
        return WITHOUT_PLACE
    if _is_rejected(mark):
        return REJECTED
    place = _place(mark, text)
    return WITHOUT_PLACE if place is None else _described(mark, *place)


def _place(mark: Json, text: str) -> tuple[int, int, bool] | None:
    spots = mark.get("offsets") or mark.get("span") or mark.get("offset")
    if isinstance(spots, dict):
        return _place(spots, text)
    if isinstance(spots, list) and spots:
        pairs = spots if isinstance(spots[0], list | dict) else [spots]
        pairs = [_ends(pair) if isinstance(pair, dict) else pair for pair in pairs]
        if any(len(pair) != 2 for pair in pairs):
            raise MalformedError(f"{spots} is no pair of offsets")
        return hull([(whole_number(start), whole_number(end)) for start, end in pairs], text)
    start, end = first_of(mark, STARTS), first_of(mark, ENDS)
    if end is None and start is not None and (length := first_of(mark, ("length",))) is not None:
        end = whole_number(start) + whole_number(length)
    if start is not None and end is not None:
        return whole_number(start), whole_number(end), False
    if mark.keys() & {*STARTS, *ENDS, "offsets", "span", "locations"} or not mark:
        return None
    raise MalformedError(
        f"a mention has the keys {', '.join(map(str, mark))}, and none that says where it starts "
        "and ends (start and end)"
    )


def _ends(spot: Json) -> list[Any]:
    return [first_of(spot, STARTS), first_of(spot, ENDS)]


def _described(mark: Json, start: int, end: int, parted: bool) -> Annotation:
    labels = [label for key in KINDS for label in texts_in(mark.get(key) or [])]
    kind = next((label for label in labels if not is_identifier(label)), "")
    identifiers = identifiers_under(_without(mark, _SURFACES), kind)
    if not identifiers:
        identifiers = tuple(label for label in labels if is_identifier(label))
    if not identifiers and "start_offset" not in mark:  # doccano numbers its marks
        found = texts_in(mark.get("id") or [])
        identifiers = tuple(i for text in found for i in split_identifiers(text, kind))
    surface = first_of(mark, _SURFACES)
    return Annotation(
        start,
        end,
        identifiers,
        kind,
        surface if isinstance(surface, str) else None,
        discontinuous=parted,
    )


def _without(mark: Json, keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in mark.items() if key not in keys}


def _is_rejected(mark: Json) -> bool:
    """Tell whether MedCATtrainer's flags say that nobody stands by a mark."""
    if any(mark.get(flag) is True for flag in ("deleted", "killed", "irrelevant")):
        return True
    stands = ("correct", "alternative", "manually_created")
    return mark.get("correct") is False and not any(mark.get(flag) for flag in stands)


def _from_bigbio(row: Json, name: str) -> Document:
    """Read the knowledge-base schema of BigBio: passages and entities with lists of offsets."""
    text = ""
    for passage in objects(row, "passages"):
        for part, (start, _) in zip(passage["text"], passage["offsets"], strict=True):
            text += " " * min(max(start - len(text), 0), 100_000) + part
    name = str(first_of(row, ("document_id", "id")) or name)
    return _with_marks(name, text, [_bigbio_mark(e) for e in objects(row, "entities")])


def _bigbio_mark(entity: Json) -> Json:
    identifiers = [
        part if ":" in part or not found.get("db_name") else f"{found['db_name']}:{part}"
        for found in objects(entity, "normalized")
        for text in texts_in(found.get("db_id") or [])
        for part in split_identifiers(text)
    ]
    surface = texts_in(entity.get("text") or [])
    return {
        "offsets": entity.get("offsets") or [],
        "type": entity.get("type"),
        "text": surface[0] if surface else None,
        "identifiers": identifiers,
    }


def _from_label_studio(task: Json, name: str) -> Document:
    """Read a task of Label Studio: its first finished annotation, else nothing marked."""
    texts = {key: value for key, value in task["data"].items() if isinstance(value, str)}
    text = first_of(texts, TEXT_KEYS) or (next(iter(texts.values())) if len(texts) == 1 else None)
    if text is None:
        raise MalformedError(f"no 'text' among the keys of its data: {', '.join(task['data'])}")
    drafts = [*objects(task, "annotations"), *objects(task, "completions")]
    done = [draft for draft in drafts if not draft.get("was_cancelled")]
    cancelled = _results([draft for draft in drafts if draft.get("was_cancelled")])
    suggested = 0 if done else _results(objects(task, "predictions"))
    regions: dict[str, dict[str, Any]] = {}
    for number, result in enumerate(objects(done[0], "result") if done else ()):
        if result.get("type") != "relation":
            _add_result(regions.setdefault(str(result.get("id", number)), {"labels": []}), result)
    placed = [region for region in regions.values() if "start" in region]
    lost = {REJECTED: cancelled, SUGGESTED: suggested, FURTHER: _results(done[1:])}
    read = _with_marks(str(first_of(task, ID_KEYS) or name), text, placed)
    losses = (why for why, count in lost.items() for _ in range(count))
    return replace(read, losses=(*read.losses, *losses))


def _results(drafts: Iterable[Json]) -> int:
    return sum(len(draft.get("result") or ()) for draft in drafts)


def _add_result(region: dict[str, Any], result: Json) -> None:
    """Add to a region what one of its results says: a place and labels, a choice, a note."""
    value = result.get("value") or {}
    notes = texts_in((result.get("meta") or {}).get("text") or [])
    if result.get("type") == "textarea":
        notes += texts_in(value.get("text") or [])
    elif isinstance(value.get("text"), str):
        region["text"] = value["text"]
    for key in ("labels", "hypertextlabels", "choices"):
        region["labels"] += texts_in(value.get(key) or [])
    region["labels"] += [note for note in notes if is_identifier(note)]
    region |= {key: value[key] for key in ("start", "end") if key in value}


def _is_pair(value: Any) -> bool:
    """Tell a spaCy training example, (text, {"entities": ..}), from a list of documents."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], dict)
    )
