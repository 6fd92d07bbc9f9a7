"""The graph: driver client, schema, statements and concept look-ups."""
