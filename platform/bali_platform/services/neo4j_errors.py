"""What the driver raises, as one clear line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from socket import gaierror

from neo4j.exceptions import AuthError, DriverError, Neo4jError, ServiceUnavailable, SessionExpired

from bali_platform.base.errors import BaliError


@contextmanager
def neo4j_errors(uri: str) -> Iterator[None]:
    """Turn the driver's exceptions into :class:`BaliError`."""
    try:
        yield
    except AuthError as error:
        raise BaliError(
            f"Neo4j at {uri} refused the user name or password: "
            "check BALI_NEO4J_USER and BALI_NEO4J_PASSWORD"
        ) from error
    except (ServiceUnavailable, SessionExpired, ConnectionError, gaierror) as error:
        raise BaliError(f"cannot reach Neo4j at {uri}: run `bali up`") from error
    except (Neo4jError, DriverError) as error:
        raise BaliError(_explained(error, uri)) from error


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message."""
    message = getattr(error, "message", None) or str(error)
    return str(message).strip().split("\n")[0]


def _explained(error: Exception, uri: str) -> str:
    message = first_line(error)
    if "no such fulltext schema index" in message:
        return "no graph loaded: run `bali load`"
    if "Driver closed" in message:
        return "this Graph is closed: connect again"
    if str(getattr(error, "code", "")).endswith("DatabaseNotFound"):
        return f"Neo4j at {uri} has no such database ({message}): check BALI_NEO4J_DATABASE"
    return f"Neo4j: {message}"
