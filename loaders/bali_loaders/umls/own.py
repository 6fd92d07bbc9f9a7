"""What in a graph is its user's own: the rest belongs to the release and goes with it.

Theirs are, on concepts: the property ``embedding``, properties that begin with ``my_`` and labels
that begin with ``My``; and the indexes on these.
"""

EMBEDDING = "embedding"


def is_own_property(key: str) -> bool:
    """Tell whether a property of a concept is its user's."""
    return key == EMBEDDING or key.startswith("my_")


def is_own_label(label: str) -> bool:
    """Tell whether a label of a concept is its user's."""
    return label.startswith("My")
