"""``CodeSystem``: read, search, ``$lookup``, ``$validate-code``, ``$subsumes``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

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
from bali_platform.terminology import Terminology
from bali_platform.terminology.records import UMLS, CodedConcept, Source

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


def read(terms: Terminology, name: str) -> Resource:
    """Return the description of a vocabulary by its id, without its codes."""
    source = next((one for one in terms.sources.values() if id_of(one.sab) == name), None)
    if source is None:
        raise FhirError(404, "not-found", f"no CodeSystem/{name[:100]}: see CodeSystem?url=")
    return _described(terms, source)


def search(terms: Terminology, inputs: Inputs) -> Resource:
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


def lookup(terms: Terminology, inputs: Inputs) -> Resource:
    """Return everything about a code."""
    (asked,) = asked_codes(terms, inputs)
    code = terms.resolve_code(asked.code, asked.sab)
    wanted = inputs.all("property")
    source = terms.sources.get(asked.sab)
    return parameters(
        ("name", "String", source.name if source and source.name else asked.sab),
        ("version", "String", version_of(terms, asked.sab)),
        ("display", "String", code.name),
        ("code", "Code", code.code),
        ("system", "Uri", system_of(terms, code.source)),
        *(("designation", "part", one) for one in _designations(terms, code)),
        *(("property", "part", one) for one in _properties(terms, code, wanted)),
    )


def validate(terms: Terminology, inputs: Inputs) -> Resource:
    """Tell whether a code is one of its vocabulary, and its display one of its terms."""
    system = "url" if inputs.all("url") else "system"
    asked = asked_codes(terms, inputs, system)
    if inputs.all("url") and not inputs.all("code"):
        sab = sab_of(terms, inputs.first("url"))
        asked = [one for one in asked if one.sab == sab] or asked
        if asked[0].sab != sab:
            return _judged(terms, asked[0], None, f"{asked[0].sab} is not {sab}")
    judged = [(one, judge(terms, one)) for one in asked]
    best = next((both for both in judged if both[1][0]), judged[0])
    one, (valid, code, message) = best
    return _judged(terms, one, code, message, valid=valid)


def judge(terms: Terminology, asked: Asked) -> tuple[bool, CodedConcept | None, str]:
    """Return whether a code is valid, what it is, and why not."""
    (found,) = terms.validate([asked.code], asked.sab, [asked.display])
    return found.valid, found.code, found.message


def subsumes(terms: Terminology, inputs: Inputs) -> Resource:
    """Tell how code A stands to code B."""
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
    found = terms.subsumes(a.code, b.code, a.sab)
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


def _judged(
    terms: Terminology,
    asked: Asked,
    code: CodedConcept | None,
    message: str,
    *,
    valid: bool = False,
) -> Resource:
    return parameters(
        ("result", "Boolean", valid),
        ("message", "String", message if not valid or message else ""),
        ("display", "String", code.name if code else ""),
        ("code", "Code", code.code if code else asked.code),
        ("system", "Uri", system_of(terms, asked.sab)),
        ("version", "String", version_of(terms, asked.sab)),
    )


def _is_named(terms: Terminology, source: Source, inputs: Inputs) -> bool:
    url, name = inputs.first("url"), inputs.first("name")
    if url and system_of(terms, source.sab) != url:
        return False
    return not name or name.casefold() in (source.sab + " " + source.name).casefold()


def _designations(terms: Terminology, code: CodedConcept) -> Iterator[list[Resource]]:
    shown: set[tuple[str, str]] = set()
    for atom in terms.codes(code.cui):
        own = code.source == UMLS or (atom.source, atom.code) == (code.source, code.code)
        if own and (atom.term, atom.language) not in shown:
            shown.add((atom.term, atom.language))
            use = {"system": "urn:bali:term-type", "code": atom.term_type}
            yield part(
                ("language", "Code", LANGUAGES.get(atom.language, "")),
                ("use", "Coding", use),
                ("value", "String", atom.term),
            )


def _properties(
    terms: Terminology, code: CodedConcept, wanted: Collection[str]
) -> Iterator[list[Resource]]:
    for name, kind, value in _all_properties(terms, code, wanted):
        if not wanted or name in wanted or "*" in wanted:
            yield part(("code", "Code", name), ("value", kind, value))


def _all_properties(
    terms: Terminology, code: CodedConcept, wanted: Collection[str]
) -> Iterator[tuple[str, str, Any]]:
    yield "inactive", "Boolean", not code.active
    yield "cui", "Code", code.cui
    for name in code.semantic_types:
        yield "semanticType", "String", name
    if code.source == UMLS:
        return
    if not wanted or "parent" in wanted:
        for member in terms.ancestors(code.code, code.source, depth=1).members:
            yield "parent", "Code", member.code
    if not wanted or "child" in wanted:
        for member in terms.descendants(code.code, code.source, depth=1).members:
            yield "child", "Code", member.code
