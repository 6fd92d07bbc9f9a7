"""Import over Bolt, for servers that take no import files."""

from bali_loaders.umls.online.load import load_online

__all__ = ["load_online"]
