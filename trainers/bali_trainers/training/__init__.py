"""Training: from a configuration to a job, its ranks, the loop, and checkpoints."""
