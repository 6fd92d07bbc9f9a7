"""What this server can do: ``CapabilityStatement`` and ``TerminologyCapabilities``."""

from __future__ import annotations

from bali_platform import __version__
from bali_platform.api.fhir.code_systems import version_of
from bali_platform.api.fhir.naming import system_of
from bali_platform.api.fhir.outcomes import Resource
from bali_platform.terminology import Terminology

DEFINITION = "http://hl7.org/fhir/OperationDefinition/"
OPERATIONS = {
    "CodeSystem": ("lookup", "validate-code", "subsumes"),
    "ValueSet": ("expand", "validate-code"),
    "ConceptMap": ("translate",),
}
DATE = "2026-11-30"


def capability_statement(version: str) -> Resource:
    """Return what the server answers, by a version of FHIR."""
    return {
        "resourceType": "CapabilityStatement", "status": "active", "date": DATE, "kind": "instance",
        "fhirVersion": version, "format": ["json", "xml"],
        "software": {"name": "BALI", "version": __version__},
        "implementation": {"description": "Terminologies of a graph that BALI loaded"},
        "rest": [
            {
                "mode": "server",
                "interaction": [{"code": "batch"}],
                "resource": [_resource(kind, names) for kind, names in OPERATIONS.items()],
            }
        ],
    }  # fmt: skip


def terminology_capabilities(terms: Terminology, version: str) -> Resource:
    """Return the code systems and what can be asked of them, by a version of FHIR."""
    content = {"content": "complete"} if version.startswith("5") else {}
    return {
        "resourceType": "TerminologyCapabilities", "status": "active", "date": DATE,
        "kind": "instance", "software": {"name": "BALI", "version": __version__},
        "implementation": {"description": f"Release {terms.release}"},
        "codeSystem": [
            {
                "uri": system_of(terms, sab),
                "version": [{"code": version_of(terms, sab), "isDefault": True}],
                "subsumption": True,
                **content,
            }
            for sab, source in terms.sources.items()
            if source.atoms
        ],
        "expansion": {"hierarchical": True, "paging": True, "incomplete": False},
        "codeSearch": "all",
        "validateCode": {"translations": False},
        "translation": {"needsMap": False},
    }  # fmt: skip


def _resource(kind: str, names: tuple[str, ...]) -> Resource:
    found: Resource = {
        "type": kind,
        "operation": [{"name": name, "definition": f"{DEFINITION}{kind}-{name}"} for name in names],
    }
    if kind == "CodeSystem":
        found["interaction"] = [{"code": "read"}, {"code": "search-type"}]
        found["searchParam"] = [
            {"name": "url", "type": "uri"}, {"name": "name", "type": "string"},
        ]  # fmt: skip
    return found
