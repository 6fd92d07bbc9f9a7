"""Whether annotations fit the text they are of: decided by their offsets, counted where not."""

from __future__ import annotations

import html
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

from bali_loaders.corpora.documents import Annotation, Document

_UNITS = {"bytes of UTF-8": "utf-8", "units of UTF-16": "utf-16-le"}


def checked(document: Document, counts: Counter[str]) -> Document:
    """Return the document without annotations that cannot be a span of its text, counting them.

    A surface that a tool has normalised (``IFN-g`` for IFN-γ) fits. Where offsets would fit if they
    counted bytes or units of UTF-16, that is counted too. Overlapping annotations are kept.
    """
    whole = [a for a in document.annotations if not a.discontinuous]
    fitting = tuple(a for a in whole if _fits(a, document.text))
    counts.update(document.losses)
    counts["annotations"] += len(document.annotations) + len(document.losses)
    counts["discontinuous annotations"] += len(document.annotations) - len(whole)
    counts["annotations that do not match the text"] += len(whole) - len(fitting)
    counts["overlapping annotations"] += _overlapping(fitting)
    if len(fitting) < len(whole) and not document.text.isascii():
        kept = set(map(id, fitting))
        _try_units([a for a in whole if id(a) not in kept], document.text, counts)
    return replace(document, annotations=fitting, losses=())


def _fits(annotation: Annotation, text: str) -> bool:
    inside = 0 <= annotation.start < annotation.end <= len(text)
    span = text[annotation.start : annotation.end]
    return inside and span.strip() != "" and _alike(annotation.surface, span)


def _alike(surface: str | None, span: str) -> bool:
    if surface is None or surface == span:
        return True
    return any(
        folded and folded == _folded(span, spelled)
        for spelled in (False, True)
        for folded in (_folded(surface, spelled),)
    ) or (len(surface) == len(span) and _agree(surface, span))


def _folded(text: str, spelled: bool) -> str:
    """Return letters and digits alone, without case and accents, Greek ones spelled if wanted."""
    plain = unicodedata.normalize("NFKD", html.unescape(text)).casefold()
    return "".join(_spelled(c) if spelled else c for c in plain if c.isalnum())


def _spelled(character: str) -> str:
    name = unicodedata.name(character, "")
    return name.rpartition(" ")[2].lower() if name.startswith("GREEK") else character


def _agree(surface: str, span: str) -> bool:
    """Tell whether two texts differ only where one has no letter or digit of ASCII."""
    same = sum(one == other for one, other in zip(surface, span, strict=True))
    clash = any(
        one.casefold() != other.casefold() and _is_plain(one) and _is_plain(other)
        for one, other in zip(surface, span, strict=True)
    )
    return not clash and 2 * same >= len(span)


def _is_plain(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _try_units(misfits: Sequence[Annotation], text: str, counts: Counter[str]) -> None:
    told = [a for a in misfits if a.surface and a.surface.strip()]
    for unit, encoding in _UNITS.items():
        ends = list(accumulate((len(c.encode(encoding)) for c in text), initial=0))
        size = 2 if encoding == "utf-16-le" else 1
        fitting = sum(
            text[bisect_left(ends, size * a.start) : bisect_left(ends, size * a.end)] == a.surface
            for a in told
        )
        counts[f"annotations that would match if offsets were {unit}"] += fitting


def _overlapping(annotations: Iterable[Annotation]) -> int:
    count = reach = 0
    for annotation in sorted(annotations, key=lambda a: a.start):
        count += annotation.start < reach
        reach = max(reach, annotation.end)
    return count
