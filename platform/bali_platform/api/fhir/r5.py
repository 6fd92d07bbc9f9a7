"""``ConceptMap/$translate`` as R5 asks for it and answers it: the one operation that changed."""

from __future__ import annotations

from bali_platform.api.asking import Desk
from bali_platform.api.fhir import concept_maps
from bali_platform.api.fhir.inputs import Inputs
from bali_platform.api.fhir.outcomes import Resource

RENAMED = {
    "sourceCode": "code", "sourceCoding": "coding", "sourceCodeableConcept": "codeableConcept",
    "sourceScope": "source", "targetScope": "target", "targetSystem": "targetsystem",
}  # fmt: skip
"""R4's names of parameters, by R5's."""

TRANSLATE = {name: concept_maps.TRANSLATE[old] for name, old in RENAMED.items()} | {
    name: concept_maps.TRANSLATE[name] for name in ("url", "conceptMapVersion", "system", "version")
}
RELATIONSHIPS = {
    "equivalent": "equivalent",
    "wider": "source-is-narrower-than-target",
    "narrower": "source-is-broader-than-target",
}
"""Of R4's equivalences, which tell of the target; the others are ``related-to``."""


async def translate(desk: Desk, inputs: Inputs) -> Resource:
    """Return what a code is in the target system, as :func:`concept_maps.translate`."""
    values = {RENAMED.get(name, name): given for name, given in inputs.values.items()}
    called = {old: name for name, old in RENAMED.items()}
    answer = await concept_maps.translate(desk, Inputs(values, called))
    for match in answer["parameter"]:
        match |= {"part": [_part(one) for one in match["part"]]} if "part" in match else {}
    return answer


def _part(given: Resource) -> Resource:
    match given["name"]:
        case "equivalence":
            told = RELATIONSHIPS.get(given["valueCode"], "related-to")
            return {"name": "relationship", "valueCode": told}
        case "source":
            return {**given, "name": "originMap"}
    return given
