"""Documents with mentions, from many formats."""
