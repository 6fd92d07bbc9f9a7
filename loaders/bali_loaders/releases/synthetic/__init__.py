"""Made-up releases of any size, with the statistics and the oddities of the UMLS."""

from bali_loaders.releases.synthetic.build import write

__all__ = ["write"]
