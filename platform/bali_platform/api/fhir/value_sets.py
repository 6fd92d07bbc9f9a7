"""``ValueSet``: ``$expand`` and ``$validate-code`` of implicit, saved and sent value sets."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from bali_platform.api.fhir.inputs import Inputs
from bali_platform.api.fhir.naming import asked_codes, parameters, sab_of, system_of, text_of
from bali_platform.api.fhir.outcomes import FhirError, Resource
from bali_platform.terminology import Terminology
from bali_platform.terminology.records import Expansion, Member

EXPAND = {
    "url": "uri", "valueSet": "Resource", "valueSetVersion": "string", "filter": "string",
    "count": "integer", "offset": "integer", "activeOnly": "boolean", "excludeNested": "boolean",
    "includeDesignations": "boolean", "displayLanguage": "code", "date": "dateTime",
    "includeDefinition": "boolean",
}  # fmt: skip
VALIDATE = {
    "url": "uri", "valueSet": "Resource", "valueSetVersion": "string", "code": "code",
    "system": "uri", "systemVersion": "string", "display": "string", "coding": "Coding",
    "codeableConcept": "CodeableConcept", "date": "dateTime", "displayLanguage": "code",
}  # fmt: skip
SAVED = "urn:bali:value-set:"
MAX_WHOLE = 10_000
"""Codes of an expansion, or of a page of one."""

MAX_NESTED = 2_000
_OPERATORS = {"is-a": "<<", "descendent-of": "<", "generalizes": ">>"}
_IMPLICIT = re.compile(r"(?P<system>.+?)\?fhir_vs(?:=(?P<kind>isa|ecl)/(?P<text>.+))?")


@dataclass(frozen=True, slots=True)
class Asked:
    """A value set: its URL, if it has one, and the text that says what is in it."""

    url: str
    expression: str


def expand(terms: Terminology, inputs: Inputs, saved: Mapping[str, str]) -> Resource:
    """Write a value set out, whole or a page of it."""
    asked = _asked(terms, inputs, saved)
    expression = asked.expression
    if words := inputs.first("filter"):
        expression = f"({expression}) {{{{ term = {_quoted(words)} }}}}"
    count, offset = inputs.first("count"), inputs.first("offset", 0)
    if offset < 0 or (count is not None and count < 0):
        raise FhirError(400, "invalid", "count and offset must not be negative")
    limit = MAX_WHOLE + 1 if count is None else min(max(count, 1), MAX_WHOLE + 1)
    found = terms.expand(expression, limit=limit, skip=offset, saved=saved)
    if len(found.members) > MAX_WHOLE:
        raise FhirError(
            422, "too-costly",
            f"{found.total:,} codes: ask for pages of at most {MAX_WHOLE:,} with count and offset, "
            "or narrow it with filter",
        )  # fmt: skip
    members = [] if count == 0 else list(found.members)
    nested = inputs.first("excludeNested") is False
    return _value_set(terms, asked, found, members, inputs, nested=nested)


def validate(terms: Terminology, inputs: Inputs, saved: Mapping[str, str]) -> Resource:
    """Tell whether a code is in a value set, and its display one of its terms."""
    asked = _asked(terms, inputs, saved)
    message, shown = "", None
    for one in asked_codes(terms, inputs):
        (judged,) = terms.validate([one.code], one.sab, [one.display])
        valid, code, why = judged.valid, judged.code, judged.message
        shown = shown or code
        if valid and code:
            within = f"({asked.expression}) AND {_quoted(str(code))}"
            if terms.expand(within, limit=1, saved=saved).total:
                return parameters(("result", "Boolean", True), ("display", "String", code.name))
            why = f"{code} ({code.name}) is not in the value set"
        message = message or why
    return parameters(
        ("result", "Boolean", False),
        ("message", "String", message),
        ("display", "String", shown.name if shown else ""),
    )


def _asked(terms: Terminology, inputs: Inputs, saved: Mapping[str, str]) -> Asked:
    if sent := inputs.first("valueSet"):
        return Asked(str(sent.get("url", "")), _composed(terms, sent, saved))
    if url := inputs.first("url"):
        return Asked(url, _of_url(terms, url, saved))
    raise FhirError(400, "required", "give the value set: url, or valueSet in Parameters")


def _of_url(terms: Terminology, url: str, saved: Mapping[str, str]) -> str:
    """Return the expression of a value set's URL: implicit, saved, or a whole vocabulary."""
    if url.startswith(SAVED):
        name = url.removeprefix(SAVED)
        if name not in saved:
            raise FhirError(404, "not-found", f"no saved value set '{name[:100]}'")
        return f"^{_quoted(name)}"
    match = _IMPLICIT.fullmatch(url)
    if not match:
        raise FhirError(
            404, "not-found",
            f"unknown value set '{url[:200]}': SYSTEM?fhir_vs, SYSTEM?fhir_vs=isa/CODE, "
            f"SYSTEM?fhir_vs=ecl/EXPRESSION and {SAVED}NAME are known",
        )  # fmt: skip
    sab = sab_of(terms, match["system"])
    text = unquote(match["text"] or "")
    if match["kind"] == "isa":
        return f"<< {_code(terms, sab, text)}"
    return text if match["kind"] == "ecl" else f"{_quoted(f'{sab}:*')}"


def _composed(terms: Terminology, sent: Resource, saved: Mapping[str, str]) -> str:
    compose = sent.get("compose")
    included = _list(compose, "include") if isinstance(compose, dict) else []
    if not included:
        raise FhirError(400, "required", "valueSet.compose.include is required")
    expression = _joined("OR", [_component(terms, one, saved) for one in included])
    excluded = [_component(terms, one, saved) for one in _list(compose, "exclude")]
    return f"{expression} MINUS {_joined('OR', excluded)}" if excluded else expression


def _component(terms: Terminology, component: Any, saved: Mapping[str, str]) -> str:
    """Return the expression of what is included or excluded: all its conditions must hold."""
    if not isinstance(component, dict):
        raise FhirError(400, "structure", "include and exclude hold objects")
    conditions = [
        _of_url(terms, text_of(url, "valueSet"), saved) for url in _list(component, "valueSet")
    ]
    if system := component.get("system"):
        sab = sab_of(terms, text_of(system, "system"))
        conditions += _of_system(terms, sab, component)
    if not conditions:
        raise FhirError(400, "required", "include and exclude need a system or a valueSet")
    return _joined("AND", conditions)


def _of_system(terms: Terminology, sab: str, component: Resource) -> list[str]:
    codes = [_code(terms, sab, _field(one, "code")) for one in _list(component, "concept")]
    filters = [_filter(terms, sab, one) for one in _list(component, "filter")]
    if codes:
        return [_joined("OR", codes), *filters]
    return filters or [_quoted(f"{sab}:*")]


def _filter(terms: Terminology, sab: str, given: Any) -> str:
    name, operator, value = (_field(given, key) for key in ("property", "op", "value"))
    if name in ("concept", "code") and operator in _OPERATORS:
        return f"{_OPERATORS[operator]} {_code(terms, sab, value)}"
    if name in ("concept", "code") and operator == "is-not-a":
        return f"({_quoted(f'{sab}:*')} MINUS << {_code(terms, sab, value)})"
    if name in ("parent", "child") and operator == "=":
        return f"{'<!' if name == 'parent' else '>!'} {_code(terms, sab, value)}"
    raise FhirError(
        422, "not-supported",
        f"filter {name} {operator} is not supported: concept {', '.join(_OPERATORS)}, is-not-a, "
        "and parent or child = are",
    )  # fmt: skip


def _code(terms: Terminology, sab: str, text: str) -> str:
    return _quoted(str(terms.resolve_code(text, sab)))


def _field(given: Any, key: str) -> str:
    if not isinstance(given, dict) or key not in given:
        raise FhirError(400, "required", f"'{key}' is missing in valueSet.compose")
    return text_of(given[key], key)


def _list(given: Any, key: str) -> list[Any]:
    found = given.get(key, [])
    if not isinstance(found, list):
        raise FhirError(400, "structure", f"valueSet.compose: '{key}' must be a list")
    return found


def _joined(word: str, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else "(" + f" {word} ".join(f"({p})" for p in parts) + ")"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _value_set(
    terms: Terminology,
    asked: Asked,
    found: Expansion,
    members: list[Member],
    inputs: Inputs,
    *,
    nested: bool,
) -> Resource:
    entries = _nested(terms, members) if nested else [_entry(terms, one) for one in members]
    used = [
        {"name": name, f"value{kind}": value}
        for name, kind in (("count", "Integer"), ("offset", "Integer"), ("filter", "String"))
        if (value := inputs.first(name)) is not None
    ]
    used.append({"name": "release", "valueString": found.release})
    expansion: Resource = {
        "identifier": f"urn:bali:expansion:{found.graph_version}",
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "total": found.total,
        "parameter": used,
    }
    if inputs.first("offset") is not None or inputs.first("count") is not None:
        expansion["offset"] = inputs.first("offset", 0)
    if entries:
        expansion["contains"] = entries
    answer: Resource = {"resourceType": "ValueSet", "status": "active", "expansion": expansion}
    return {**answer, "url": asked.url} if asked.url else answer


def _entry(terms: Terminology, member: Member) -> Resource:
    return {
        "system": system_of(terms, member.source), "code": member.code, "display": member.name
    }  # fmt: skip


def _nested(terms: Terminology, members: list[Member]) -> list[Resource]:
    """Hang every code below its parents among the others; a code with several is shown below each.

    A code that is above itself is not followed again.
    """
    if len(members) > MAX_NESTED:
        raise FhirError(
            422, "too-costly", f"a nested expansion has at most {MAX_NESTED:,} codes: ask for pages"
        )
    by_code = {str(member): member for member in members}
    children: dict[str, list[str]] = defaultdict(list)
    for code, parent in _steps(terms, members):
        children[parent].append(code)
    below = {code for codes in children.values() for code in codes}

    def entry(code: str, path: frozenset[str]) -> Resource:
        made = _entry(terms, by_code[code])
        inner = [entry(c, path | {c}) for c in children[code] if c not in path]
        return {**made, "contains": inner} if inner else made

    roots = [code for code in by_code if code not in below] or list(by_code)
    return [entry(code, frozenset([code])) for code in roots]


def _steps(terms: Terminology, members: list[Member]) -> Iterator[tuple[str, str]]:
    """Yield (code, parent) of members that are next to each other in their vocabulary."""
    for sab in {member.source for member in members}:
        joined = terms.basis(sab) == "MRHIER"
        at: dict[str, list[str]] = defaultdict(list)
        for member in members:
            if member.source == sab:
                at[member.code if joined else member.cui].append(str(member))
        for node, above in terms.walk(sab, at, "up", 1).edges.items():
            for parent in above:
                yield from ((c, p) for c in at[node] for p in at.get(parent, ()) if c != p)
