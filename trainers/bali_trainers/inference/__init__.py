"""Encoders used outside training: vectors of names, of mentions, and explanations."""
