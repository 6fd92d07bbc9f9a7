"""Losses as objects with names, weights and metrics."""
