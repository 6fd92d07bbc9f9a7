"""UMLS -> graph: transform, bulk import, verification, upgrade."""

from bali_loaders.umls.load import Loaded, load
from bali_loaders.umls.online import load_online
from bali_loaders.umls.options import PRESETS, LoadOptions
from bali_loaders.umls.report import Report
from bali_loaders.umls.upgrade import Upgraded, live_options, upgrade
from bali_loaders.umls.upgrade_report import UpgradeReport
from bali_loaders.umls.verify import Verification, verify
from bali_loaders.umls.workspace import Limits

__all__ = [
    "PRESETS",
    "Limits",
    "LoadOptions",
    "Loaded",
    "Report",
    "UpgradeReport",
    "Upgraded",
    "Verification",
    "live_options",
    "load",
    "load_online",
    "upgrade",
    "verify",
]
