"""The graph for notebooks that already use py2neo.

py2neo has had its last release in 2021. Over Bolt it still runs Cypher against today's Neo4j, with
nodes, relationships and ``to_data_frame``; its HTTP connector and its schema helpers do not work.
New code should use :class:`bali_platform.graph.Graph`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings, load_settings
from bali_platform.services import neo4j_login

if TYPE_CHECKING:
    import py2neo


def connect_py2neo(settings: Settings | None = None) -> py2neo.Graph:
    """Return a ``py2neo.Graph`` on the configured Neo4j.

    Raises:
        BaliError: py2neo is not installed, or Neo4j cannot be reached.
    """
    at = neo4j_login(settings or load_settings())
    address = urlsplit(at.neo4j_uri)
    # py2neo takes routing addresses as well, but cannot follow today's routing tables.
    uri = address._replace(scheme=address.scheme.replace("neo4j", "bolt")).geturl()
    with warnings.catch_warnings():
        # Not for users to act on: what py2neo itself uses is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            import py2neo
        except ImportError as error:
            raise BaliError("py2neo is not installed: pip install 'bali[py2neo]'") from error
        try:
            return py2neo.Graph(uri, auth=(at.neo4j_user, at.neo4j_password))
        except (OSError, py2neo.errors.ConnectionUnavailable) as error:
            raise BaliError(f"cannot reach Neo4j at {at.neo4j_uri}: run `bali up`") from error
