"""A real Neo4j and Redis, started locally without Docker."""
