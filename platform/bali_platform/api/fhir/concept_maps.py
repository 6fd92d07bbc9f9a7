"""``ConceptMap/$translate``: from one vocabulary's code to another's."""

from __future__ import annotations

from bali_platform.api.asking import Desk, mapped
from bali_platform.api.fhir.inputs import Inputs
from bali_platform.api.fhir.naming import asked_codes, parameters, part, sab_of, system_of
from bali_platform.api.fhir.outcomes import FhirError, Resource
from bali_platform.terminology import Terminology
from bali_platform.terminology.records import MapRow

TRANSLATE = {
    "url": "uri", "conceptMapVersion": "string", "code": "code", "system": "uri",
    "version": "string", "source": "uri", "target": "uri", "targetsystem": "uri",
    "coding": "Coding", "codeableConcept": "CodeableConcept", "reverse": "boolean",
}  # fmt: skip
EQUIVALENCE = {
    "skos:exactMatch": "equivalent", "skos:closeMatch": "inexact", "skos:broadMatch": "wider",
    "skos:narrowMatch": "narrower", "skos:relatedMatch": "relatedto",
}  # fmt: skip


async def translate(desk: Desk, inputs: Inputs) -> Resource:
    """Return what a code is in the target system: by shared concept, and by map sets."""
    if inputs.first("reverse"):
        raise FhirError(422, "not-supported", "reverse is not supported: swap the systems")
    terms = desk.terms
    target = sab_of(terms, _target(inputs))
    rows = [
        row
        for asked in asked_codes(terms, inputs)
        for row in await desk.one(mapped, asked.code, asked.sab, (target,), True, False)
    ]
    matches = [row for row in rows if row.target]
    return parameters(
        ("result", "Boolean", bool(matches)),
        ("message", "String", _advice(matches) if matches else _why(rows, target)),
        *(("match", "part", _match(terms, row)) for row in matches),
    )


def _target(inputs: Inputs) -> str:
    """Return the target's URI: ``targetsystem``, or the system of an implicit value set."""
    target = inputs.first("targetsystem") or inputs.first("target")
    if not target:
        told = f"parameter '{inputs.name('targetsystem')}' is required"
        raise FhirError(400, "required", told)
    return str(target).removesuffix("?fhir_vs")


def _advice(rows: list[MapRow]) -> str:
    """Return what map sets advise about their targets, in the order of their priority."""
    return "; ".join(dict.fromkeys(row.advice or row.rule for row in rows if row.rule))


def _why(rows: list[MapRow], target: str) -> str:
    notes = [row.note for row in rows if row.note]
    return notes[0] if notes else f"no code of {target} is known for it"


def _match(terms: Terminology, row: MapRow) -> list[Resource]:
    concept = {
        "system": system_of(terms, row.target), "code": row.target_code,
        "display": row.target_name,
    }  # fmt: skip
    reason = row.map_set or f"urn:bali:concept:{row.cui}"
    return part(
        ("equivalence", "Code", EQUIVALENCE.get(row.relation, "relatedto")),
        ("concept", "Coding", concept),
        ("source", "Uri", reason),
    )
