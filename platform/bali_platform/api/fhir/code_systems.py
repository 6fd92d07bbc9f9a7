"""``CodeSystem``: read, search, ``$lookup``, ``$validate-code``, ``$subsumes``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bali_platform.api.asking import Desk, validated
from bali_platform.api.fhir.inputs import Inputs
from bali_platform.api.fhir.naming import (
    Asked,
    asked_codes,
    asked_coding,
    parameters,
    part,
    sab_of,
    system_of,
)
from bali_platform.api.fhir.outcomes import FhirError, Resource
from bali_platform.base.errors import BaliError
from bali_platform.terminology import Terminology
from bali_platform.terminology.records import UMLS, Atom, CodedConcept, Source, Validation

LOOKUP = {
    "code": "code", "system": "uri", "version": "string", "coding": "Coding", "date": "dateTime",
    "displayLanguage": "code", "property": "code",
}  # fmt: skip
VALIDATE = {
    "url": "uri", "system": "uri", "code": "code", "version": "string", "display": "string",
    "coding": "Coding", "codeableConcept": "CodeableConcept", "date": "dateTime",
    "displayLanguage": "code",
}  # fmt: skip
SUBSUMES = {
    "codeA": "code", "codeB": "code", "system": "uri", "version": "string",
    "codingA": "Coding", "codingB": "Coding",
}  # fmt: skip
PROPERTIES = ("parent", "child", "inactive", "cui", "semanticType")
LANGUAGES = {
    "ENG": "en", "SPA": "es", "FRE": "fr", "GER": "de", "ITA": "it", "POR": "pt", "DUT": "nl",
    "JPN": "ja", "RUS": "ru", "CHI": "zh", "KOR": "ko", "CZE": "cs", "POL": "pl", "SWE": "sv",
    "FIN": "fi", "NOR": "no", "DAN": "da", "HUN": "hu", "CRO": "hr", "EST": "et", "TUR": "tr",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """A code with the terms of its concept, and the codes just above and below it."""

    code: CodedConcept
    atoms: Sequence[Atom]
    parents: Sequence[str]
    children: Sequence[str]


def read(terms: Terminology, name: str) -> Resource:
    """Return the description of a vocabulary by its id, without its codes."""
    source = next((one for one in terms.sources.values() if id_of(one.sab) == name), None)
    if source is None:
        raise FhirError(404, "not-found", f"no CodeSystem/{name[:100]}: see CodeSystem?url=")
    return _described(terms, source)


def search(terms: Terminology, inputs: Inputs, saved: Mapping[str, str]) -> Resource:
    """Return the vocabularies of a URL or name, or all of them, as a searchset."""
    found = [
        _described(terms, source)
        for source in terms.sources.values()
        if source.atoms and _is_named(terms, source, inputs)
    ]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "entry": [{"resource": one, "search": {"mode": "match"}} for one in found],
    }


async def lookup(desk: Desk, inputs: Inputs) -> Resource:
    """Return everything about a code."""
    terms = desk.terms
    (asked,) = asked_codes(terms, inputs)
    shown = await desk.one(_shown, asked.code, asked.sab)
    code, wanted = shown.code, inputs.all("property")
    source = terms.sources.get(asked.sab)
    return parameters(
        ("name", "String", source.name if source and source.name else asked.sab),
        ("version", "String", version_of(terms, asked.sab)),
        ("display", "String", code.name),
        ("code", "Code", code.code),
        ("system", "Uri", system_of(terms, code.source)),
        *(("designation", "part", one) for one in _designations(shown)),
        *(("property", "part", one) for one in _properties(shown, wanted)),
    )


async def validate(desk: Desk, inputs: Inputs) -> Resource:
    """Tell whether a code is one of its vocabulary, and its display one of its terms."""
    terms = desk.terms
    system = "url" if inputs.all("url") else "system"
    asked = asked_codes(terms, inputs, system)
    if inputs.all("url") and not inputs.all("code"):
        sab = sab_of(terms, inputs.first("url"))
        asked = [one for one in asked if one.sab == sab] or asked
        if asked[0].sab != sab:
            return _judged(
                terms, asked[0], Validation("", False, None, f"{asked[0].sab} is not {sab}")
            )
    judged = [(one, await desk.one(validated, (one.code, one.display), one.sab)) for one in asked]
    return _judged(terms, *next((both for both in judged if both[1].valid), judged[0]))


async def subsumes(desk: Desk, inputs: Inputs) -> Resource:
    """Tell how code A stands to code B."""
    terms = desk.terms
    if inputs.all("codingA") or inputs.all("codingB"):
        a = asked_coding(terms, inputs.first("codingA"))
        b = asked_coding(terms, inputs.first("codingB"))
    else:
        missing = [name for name in ("codeA", "codeB", "system") if not inputs.first(name)]
        if missing:
            raise FhirError(400, "required", f"parameter '{missing[0]}' is required")
        sab = sab_of(terms, inputs.first("system"))
        a, b = Asked(sab, inputs.first("codeA")), Asked(sab, inputs.first("codeB"))
    if a.sab != b.sab:
        raise FhirError(400, "invalid", "both codes must be of one code system")
    found = await desk.one(Terminology.compare_each, (a.code, b.code), a.sab)
    return parameters(("outcome", "Code", found.outcome))


def version_of(terms: Terminology, sab: str) -> str:
    """Return the version of a vocabulary; the release where it has none."""
    source = terms.sources.get(sab)
    return source.version if source and source.version else terms.release


def id_of(sab: str) -> str:
    """Return the id of a vocabulary's resource: FHIR's ids have no underscore."""
    return sab.replace("_", "-")


def _described(terms: Terminology, source: Source) -> Resource:
    sab = source.sab
    found = {
        "resourceType": "CodeSystem", "id": id_of(sab), "url": system_of(terms, sab), "name": sab,
        "title": source.name or sab, "version": version_of(terms, sab), "status": "active",
        "content": "not-present", "caseSensitive": False, "count": source.concepts,
        "description": f"As loaded from release {terms.release}.",
    }  # fmt: skip
    if source.oid:
        found["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{source.oid}"}]
    return found


def _judged(terms: Terminology, asked: Asked, found: Validation) -> Resource:
    return parameters(
        ("result", "Boolean", found.valid),
        ("message", "String", found.message),
        ("display", "String", found.code.name if found.code else ""),
        ("code", "Code", found.code.code if found.code else asked.code),
        ("system", "Uri", system_of(terms, asked.sab)),
        ("version", "String", version_of(terms, asked.sab)),
    )


def _is_named(terms: Terminology, source: Source, inputs: Inputs) -> bool:
    url, name = inputs.first("url"), inputs.first("name")
    if url and system_of(terms, source.sab) != url:
        return False
    return not name or name.casefold() in (source.sab + " " + source.name).casefold()


def _shown(terms: Terminology, texts: list[str], sab: str) -> list[Shown | BaliError]:
    resolved = terms.resolve_each(texts, sab)
    codes = [code for code in resolved if not isinstance(code, BaliError)]
    sources = None if sab == UMLS else [sab]
    atoms = terms.terms_of({code.cui for code in codes}, sources)
    near = {} if sab == UMLS else terms.next_to(sab, codes)
    return [
        code
        if isinstance(code, BaliError)
        else Shown(code, atoms.get(code.cui, []), *near.get(code.code, ((), ())))
        for code in resolved
    ]


def _designations(shown: Shown) -> Iterator[list[Resource]]:
    told: set[tuple[str, str]] = set()
    code = shown.code
    for atom in shown.atoms:
        own = code.source == UMLS or (atom.source, atom.code) == (code.source, code.code)
        if own and (atom.term, atom.language) not in told:
            told.add((atom.term, atom.language))
            use = {"system": "urn:bali:term-type", "code": atom.term_type}
            yield part(
                ("language", "Code", LANGUAGES.get(atom.language, "")),
                ("use", "Coding", use),
                ("value", "String", atom.term),
            )


def _properties(shown: Shown, wanted: Collection[str]) -> Iterator[list[Resource]]:
    code = shown.code
    for name, kind, value in (
        ("inactive", "Boolean", not code.active),
        ("cui", "Code", code.cui),
        *(("semanticType", "String", name) for name in code.semantic_types),
        *(("parent", "Code", other) for other in shown.parents),
        *(("child", "Code", other) for other in shown.children),
    ):
        if not wanted or name in wanted or "*" in wanted:
            yield part(("code", "Code", name), ("value", kind, value))
