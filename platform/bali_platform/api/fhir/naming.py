"""Vocabularies as FHIR names them, and codes as it writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bali_platform.api.fhir.inputs import Inputs
from bali_platform.api.fhir.outcomes import FhirError, Resource
from bali_platform.base.errors import UsageError
from bali_platform.terminology import Terminology
from bali_platform.terminology.records import UMLS
from bali_platform.terminology.systems import by_sab

OWN = "urn:bali:source:"
"""Names the vocabularies that the table of systems does not have."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A code that is asked about: its vocabulary (SAB), code and display as given."""

    sab: str
    code: str
    display: str = ""


def system_of(terms: Terminology, sab: str) -> str:
    """Return the URI of a vocabulary: FHIR's, else that of the table, else one of our own."""
    system = by_sab().get(sab)
    known = system and (system.fhir or next(iter(system.uris), ""))
    if not known or (sab != UMLS and sab not in terms.sources):
        return f"{OWN}{sab}"
    return known


def sab_of(terms: Terminology, system: str) -> str:
    """Return the vocabulary (SAB) of a system's URI; 404 for one that the graph lacks."""
    try:
        return terms.source(system.split("|", 1)[0].removeprefix(OWN))
    except UsageError as error:
        raise FhirError(
            404, "not-found", f"unknown code system '{system[:200]}': {error}"
        ) from error


def asked_codes(terms: Terminology, inputs: Inputs, system_name: str = "system") -> list[Asked]:
    """Return the codes of ``code`` and system, ``coding`` or ``codeableConcept``; one kind only."""
    known = ("code", "coding", "codeableConcept")
    kinds = [name for name in known if inputs.all(name)]
    if len(kinds) != 1:
        code, coding, concept = map(inputs.name, known)
        raise FhirError(400, "required", f"give one of {code}, {coding} and {concept}")
    if kinds == ["code"]:
        system = inputs.first(system_name)
        if not system:
            told = f"parameter '{system_name}' is required with {inputs.name('code')}"
            raise FhirError(400, "required", told)
        display = inputs.first("display", "")
        return [Asked(sab_of(terms, system), text_of(inputs.first("code"), "code"), display)]
    given = inputs.first(kinds[0])
    codings = given.get("coding", []) if kinds == ["codeableConcept"] else [given]
    found = list(_codings(terms, codings))
    if not found:
        told = f"{inputs.name(kinds[0])} holds no coding with system and code"
        raise FhirError(400, "required", told)
    return found


def asked_coding(terms: Terminology, coding: Any) -> Asked:
    """Return the code of one ``Coding``."""
    for found in _codings(terms, [coding]):
        return found
    raise FhirError(400, "required", "a coding needs system and code")


def _codings(terms: Terminology, codings: Any) -> Iterator[Asked]:
    if not isinstance(codings, list) or not all(isinstance(one, dict) for one in codings):
        raise FhirError(400, "structure", "codings must be a list of objects")
    for one in codings:
        if one.get("system") and one.get("code"):
            sab = sab_of(terms, text_of(one["system"], "system"))
            yield Asked(
                sab, text_of(one["code"], "code"), text_of(one.get("display", ""), "display")
            )


def text_of(value: Any, name: str) -> str:
    """Return a value that must be text."""
    if not isinstance(value, str):
        raise FhirError(400, "invalid", f"'{name}' must be text")
    return value


def parameters(*entries: tuple[str, str, Any]) -> Resource:
    """Return ``Parameters`` of (name, type, value); those without a value are left out."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name, "part": value}
            if kind == "part"
            else {"name": name, f"value{kind}": value}
            for name, kind, value in entries
            if value not in (None, "")
        ],
    }


def part(*entries: tuple[str, str, Any]) -> list[Resource]:
    """Return the parts of a parameter, as :func:`parameters`."""
    found: list[Resource] = parameters(*entries)["parameter"]
    return found
