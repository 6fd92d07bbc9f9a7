"""RRF -> import files, with every row accounted for."""

from bali_loaders.umls.transform.fingerprint import graph_version
from bali_loaders.umls.transform.transform import tabulate_codes, transform
from bali_loaders.umls.transform.workspace import Limits

__all__ = ["Limits", "graph_version", "tabulate_codes", "transform"]
