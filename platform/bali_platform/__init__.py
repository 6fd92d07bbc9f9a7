"""The graph platform: UMLS in Neo4j, neighbourhoods, batch streams and training jobs."""

from importlib.metadata import version

__version__ = version("bali")
