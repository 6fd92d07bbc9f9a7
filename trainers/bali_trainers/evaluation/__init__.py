"""Evidence: what an aligned model is better at."""
