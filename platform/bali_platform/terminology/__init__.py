"""The terminology: codes of vocabularies, their hierarchies, mappings and value sets."""

from bali_platform.terminology.terminology import Terminology

__all__ = ["Terminology"]
