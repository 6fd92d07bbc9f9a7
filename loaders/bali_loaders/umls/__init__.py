"""UMLS -> graph: transform, bulk import, verification, upgrade."""

from bali_loaders.umls.load import Loaded, load
from bali_loaders.umls.online import load_online
from bali_loaders.umls.options import PRESETS, LoadOptions
from bali_loaders.umls.report import Report
from bali_loaders.umls.transform import Limits
from bali_loaders.umls.upgrades import (
    CodeChanges,
    Upgraded,
    UpgradeReport,
    compare_codes,
    live_options,
    upgrade,
)
from bali_loaders.umls.verification import Verification, verify

__all__ = [
    "PRESETS",
    "CodeChanges",
    "Limits",
    "LoadOptions",
    "Loaded",
    "Report",
    "UpgradeReport",
    "Upgraded",
    "Verification",
    "compare_codes",
    "live_options",
    "load",
    "load_online",
    "upgrade",
    "verify",
]
