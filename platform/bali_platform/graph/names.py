"""Choices by hash, which every process agrees on: above all, which names training may see."""

from __future__ import annotations

from hashlib import blake2b


def name_key(name: str) -> str:
    """Fold case and runs of white space, so that trivial variants of a name count as one.

    >>> name_key("  Heart  Attack ")
    'heart attack'
    """
    return " ".join(name.casefold().split())


def is_withheld(name: str, fraction: float) -> bool:
    """Tell whether a synonym belongs to the ``fraction`` of names kept from training.

    The choice hashes the folded string alone: every concept, process and release agrees on it, and
    a case variant cannot leak what its twin withholds. Preferred names are never withheld; callers
    ask about synonyms only.

    >>> sum(is_withheld(f"name {i}", 0.1) for i in range(1000))
    93
    """
    return in_share(name_key(name), fraction)


def in_share(text: str, share: float) -> bool:
    """Tell whether the hash of ``text`` puts it among the given share of all strings, 0 to 1."""
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64
