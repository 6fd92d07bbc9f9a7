"""What an operation is asked: parameters of a query string or of a ``Parameters`` resource."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bali_platform.api.fhir.outcomes import FhirError, Resource

IGNORED = {"_format", "_summary", "_pretty", "_elements"}
MAX_VALUES = 1_000
_SAME = {
    "uri": {"uri", "canonical", "url"},
    "code": {"code", "string"},
    "string": {"string", "code"},
    "integer": {"integer", "positiveInt", "unsignedInt"},
    "dateTime": {"dateTime", "date", "instant"},
}
"""Types of FHIR that are taken for each that an operation wants."""

_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?")
_LARGEST = 2**31 - 1
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Inputs:
    """Values by parameter, each of the type that the operation gives it.

    ``called`` has what whoever asks calls a parameter, where that is another name.
    """

    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    called: Mapping[str, str] = field(default_factory=dict)

    def name(self, name: str) -> str:
        """Return what whoever asks calls a parameter."""
        return self.called.get(name, name)

    def first(self, name: str, default: Any = None) -> Any:
        """Return the one value of a parameter; refuse several."""
        found = self.values.get(name, ())
        if len(found) > 1:
            told = f"parameter '{self.name(name)}' is given {len(found)} times"
            raise FhirError(400, "invalid", told)
        return found[0] if found else default

    def all(self, name: str) -> Sequence[Any]:
        """Return every value of a parameter."""
        return self.values.get(name, ())


def from_query(query: Sequence[tuple[str, str]], wanted: Mapping[str, str]) -> Inputs:
    """Read a query string: ``wanted`` are the parameters and FHIR's type of each."""
    values: dict[str, list[Any]] = {}
    for name, text in query:
        if name in IGNORED:
            continue
        _check_known(name, wanted)
        values.setdefault(name, []).append(_parsed(name, text, wanted[name]))
    return Inputs(values)


def from_parameters(body: Any, wanted: Mapping[str, str]) -> Inputs:
    """Read a ``Parameters`` resource."""
    if not isinstance(body, dict) or body.get("resourceType") != "Parameters":
        raise FhirError(400, "structure", "the body must be a Parameters resource")
    entries = body.get("parameter", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FhirError(400, "structure", "Parameters.parameter must be a list of objects")
    if len(entries) > MAX_VALUES:
        raise FhirError(422, "too-costly", f"more than {MAX_VALUES:,} parameters")
    values: dict[str, list[Any]] = {}
    for entry in entries:
        name = str(entry.get("name", ""))
        if name not in IGNORED:
            _check_known(name, wanted)
            values.setdefault(name, []).append(_value(name, entry, wanted[name]))
    return Inputs(values)


def _check_known(name: str, wanted: Mapping[str, str]) -> None:
    if name not in wanted:
        raise FhirError(
            400, "not-supported",
            f"parameter '{name[:100]}' is not supported: {', '.join(sorted(wanted))} are",
        )  # fmt: skip


def _parsed(name: str, text: str, kind: str) -> Any:
    if kind == "boolean" and text in _BOOLEANS:
        return _BOOLEANS[text]
    if kind == "integer" and text.removeprefix("-").isascii() and text.isdecimal():
        return _checked(name, int(text[:18]), kind)
    if kind in ("boolean", "integer", "Coding", "CodeableConcept", "Resource"):
        hint = ": POST it in Parameters" if kind[0].isupper() else f", not '{text[:40]}'"
        raise FhirError(400, "invalid", f"parameter '{name}' must be of type {kind}{hint}")
    return _checked(name, text, kind)


def _value(name: str, entry: Resource, kind: str) -> Any:
    given = {key.removeprefix("value"): value for key, value in entry.items() if key != "name"}
    if kind == "Resource":
        resource = given.get("resource")
        if isinstance(resource, dict):
            return resource
    for found, value in given.items():
        if found[:1].lower() + found[1:] in _SAME.get(kind, set()) | {kind} or found == kind:
            return _checked(name, value, kind)
    raise FhirError(
        400, "invalid",
        f"parameter '{name}' must be of type {kind}, not {', '.join(sorted(given)) or 'empty'}",
    )  # fmt: skip


def _checked(name: str, value: Any, kind: str) -> Any:
    python = {"boolean": bool, "integer": int, "Coding": dict, "CodeableConcept": dict}
    wanted = python.get(kind, str)
    fits = isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
    if fits and kind == "integer":
        fits = -_LARGEST <= value <= _LARGEST
    if fits and kind == "dateTime":
        fits = _DATE.fullmatch(value) is not None
    if not fits:
        raise FhirError(400, "invalid", f"parameter '{name}' holds no {kind}")
    return value
