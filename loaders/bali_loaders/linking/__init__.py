"""Find the concepts that a text mentions."""
