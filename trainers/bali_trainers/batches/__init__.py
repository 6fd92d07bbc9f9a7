"""Training batches: linked sentences and the subgraphs of what they mention, as arrays."""
