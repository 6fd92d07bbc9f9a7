"""RRF to graph: transform, import, verify."""
