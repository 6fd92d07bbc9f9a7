"""The next release: compared with the live graph, whose additions it takes over."""

from bali_loaders.umls.upgrades.codes import CodeChanges, compare_codes
from bali_loaders.umls.upgrades.report import UpgradeReport
from bali_loaders.umls.upgrades.upgrade import Upgraded, live_options, upgrade

__all__ = [
    "CodeChanges",
    "UpgradeReport",
    "Upgraded",
    "compare_codes",
    "live_options",
    "upgrade",
]
