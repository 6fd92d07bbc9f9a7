"""Training batches: built, requested, replayed."""
