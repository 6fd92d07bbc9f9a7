"""The graph platform: UMLS in Neo4j, neighbourhoods, batch streams and training jobs."""

__version__ = "0.1.0"
