// Every vocabulary of the graph, with what it holds of it.
MATCH (source:Source)
RETURN source {.*} AS source
ORDER BY source.sab
