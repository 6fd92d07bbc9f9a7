"""Codes as people write them: what each text may mean, before any graph is asked.

Case and white space do not matter. Understood are ``HP:0001658``, ``MSH:D009203``, ``I21.9``,
``HP_0001658``, ``http://purl.obolibrary.org/obo/HP_0001658``, ``urn:oid:2.16...|I21.9`` and FHIR's
``system|code``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from bali_platform.terminology.systems import OID, by_name, by_uri, fold

MAX_LENGTH = 400
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_GENERIC = (
    re.compile(r"https?://purl\.obolibrary\.org/obo/([A-Za-z_]+?)_(.+)", re.I),
    re.compile(r"https?://(?:www\.)?(?:identifiers|n2t)\.(?:org|net)/([\w.]+)[:/](.+)", re.I),
    re.compile(r"https?://(?:www\.)?bioregistry\.io/([\w.]+):(.+)", re.I),
    re.compile(r"https?://purl\.bioontology\.org/ontology/([\w.-]+)/(.+)", re.I),
)
_PAGE = re.compile(r"https?://.+[/#=]([A-Za-z][\w.]*?)[:_](\w[^/#?&=]*)", re.I)
_ODD_MARKS = ("/", "#", ";", "-")


@dataclass(frozen=True, slots=True)
class Reading:
    """One meaning of a text: ``vocabulary`` as written, None where none is; spellings of a code."""

    vocabulary: str | None
    spellings: tuple[str, ...]


def tidy(text: str) -> str:
    """Take away what nobody sees: outer white space, runs of it, characters without a width.

    >>> tidy(" HP\u200b:0001658 ")
    'HP:0001658'
    """
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(text.split()).strip("\"'<>").strip()


def readings(text: str) -> Iterator[Reading]:
    """Yield what a text may mean, the likeliest first.

    >>> next(readings("http://purl.obolibrary.org/obo/HP_0001658"))
    Reading(vocabulary='HPO', spellings=('0001658', 'HP:0001658', 'hp:0001658'))
    >>> [reading.vocabulary for reading in readings("MSH: D009203")]
    ['MSH', None]
    >>> next(readings("https://hpo.jax.org/browse/term/HP:0001658")).vocabulary
    'HP'
    """
    text = re.sub("^obo:", "", tidy(text)[:MAX_LENGTH], flags=re.I)
    if "|" in text:
        vocabulary, _, code = (part.strip() for part in text.partition("|"))
        yield _named(vocabulary, code)
        return
    if re.match(r"https?://", text, re.I):
        yield from _of_uri(text)
        return
    if oid := re.fullmatch(rf"{OID.pattern}[:#/](.+)", text, re.I):
        yield _named(oid[1], oid[2])
        return
    for mark in (":", "_", " "):
        vocabulary, _, code = (part.strip() for part in text.partition(mark))
        if vocabulary and code and (mark == ":" or fold(vocabulary) in by_name()):
            yield _named(vocabulary, code)
    yield Reading(None, spellings(text, re.sub(r"\s*:\s*", ":", text), text.replace("_", ":")))
    for mark in _ODD_MARKS:
        vocabulary, _, code = (part.strip() for part in text.partition(mark))
        if code and fold(vocabulary) in by_name():
            yield _named(vocabulary, code)


def _of_uri(text: str) -> Iterator[Reading]:
    lowered = text.lower()
    for end in range(len(text), 8, -1):
        if known := by_uri().get(lowered[:end]):
            sab, prefix = known
            code = unquote(text[end:])
            yield Reading(sab, spellings(code, f"{prefix}:{code}"))
            break
    for pattern in _GENERIC:
        if found := pattern.fullmatch(text):
            yield _named(found[1], unquote(found[2]))
    if (found := _PAGE.fullmatch(text)) and fold(found[1]) in by_name():
        yield _named(found[1], unquote(found[2]))
    yield Reading(None, (text,))


def _named(vocabulary: str, code: str) -> Reading:
    _, colon, rest = code.partition(":")
    inner = (rest.strip(),) if colon and fold(code.partition(":")[0]) == fold(vocabulary) else ()
    return Reading(vocabulary, spellings(code, f"{vocabulary}:{code}", *inner))


def spellings(*codes: str) -> tuple[str, ...]:
    """Return codes as given, and in upper and lower case."""
    distinct = dict.fromkeys(code for code in codes if code)
    cased = (form for code in distinct for form in (code, code.upper(), code.lower()))
    return tuple(dict.fromkeys(cased))


def near(code: str) -> Iterator[str]:
    """Yield spellings that people mix up with ``code``: dots, zeros, letters like digits.

    >>> "I21.9" in near("I219"), "HP:0001658" in near("HP:1658")
    (True, True)
    """
    code = code.upper()
    prefix, colon, local = code.rpartition(":")
    head = prefix + colon
    yield f"{head}{local.replace('.', '')}"
    if "." not in local and len(local) > 3:
        yield f"{head}{local[:3]}.{local[3:]}"
    yield f"{head}{local.replace('O', '0')}"
    yield f"{head}{local[:1]}{local[1:].translate(str.maketrans('OIL', '011'))}"
    digits = re.sub(r"^\D+", "", local)
    letters = local.removesuffix(digits)
    if digits.isdecimal():
        for width in range(len(digits.lstrip("0")) or 1, 11):
            yield f"{head}{letters}{digits.lstrip('0').zfill(width)}"
    yield head + re.sub(r"[\s-]", "", local)
