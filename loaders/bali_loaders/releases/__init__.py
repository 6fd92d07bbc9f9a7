"""Get, make and read UMLS-shaped RRF releases."""
