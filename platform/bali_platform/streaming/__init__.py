"""Training batches on their way from workers to a trainer."""
