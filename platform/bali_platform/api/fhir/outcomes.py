"""Errors as FHIR clients see them: an ``OperationOutcome``."""

from __future__ import annotations

from typing import Any

from bali_platform.base.errors import (
    AmbiguousError,
    BaliError,
    NotFoundError,
    TooLargeError,
    UsageError,
)

Resource = dict[str, Any]


class FhirError(Exception):
    """Ends an interaction with an HTTP status and one issue, of FHIR's issue type ``code``."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    @property
    def outcome(self) -> Resource:
        """The resource that tells of it."""
        return outcome(self.code, str(self))


def outcome(code: str, message: str, severity: str = "error") -> Resource:
    """Return an ``OperationOutcome`` of one issue."""
    issue = {
        "severity": severity,
        "code": code,
        "diagnostics": message,
        "details": {"text": message},
    }
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def to_fhir(error: BaliError) -> FhirError:
    """Return how a FHIR client is told of an error."""
    match error:
        case NotFoundError():
            return FhirError(404, "not-found", str(error))
        case AmbiguousError():
            return FhirError(422, "multiple-matches", str(error))
        case TooLargeError():
            return FhirError(422, "too-costly", str(error))
        case UsageError():
            return FhirError(422, "processing", str(error))
    return FhirError(503, "transient", str(error))
