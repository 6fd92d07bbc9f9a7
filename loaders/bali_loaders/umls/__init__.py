"""UMLS -> graph: transform, bulk import, verification."""

from bali_loaders.umls.load import Loaded, load
from bali_loaders.umls.online import load_online
from bali_loaders.umls.options import PRESETS, LoadOptions
from bali_loaders.umls.report import Report
from bali_loaders.umls.verify import Verification, verify
from bali_loaders.umls.workspace import Limits

__all__ = [
    "PRESETS",
    "Limits",
    "LoadOptions",
    "Loaded",
    "Report",
    "Verification",
    "load",
    "load_online",
    "verify",
]
