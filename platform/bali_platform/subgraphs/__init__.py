"""Neighbourhoods of concepts: fetched, cached, sampled, exported."""
