"""A UMLS-shaped release made of open ontologies, so that nobody needs a licence to begin."""

from bali_loaders.releases.open.build import write
from bali_loaders.releases.open.packages import fetch_resources

__all__ = ["fetch_resources", "write"]
