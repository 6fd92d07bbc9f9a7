"""BALI in Python: what a user needs, by name, without knowing which package holds it.

Each name is imported when it is first used, so that ``import bali`` costs nothing and a base
installation without torch has all that needs none.

>>> import bali
>>> bali.find_abbreviations("heat shock protein (HSP)")
{'HSP': 'heat shock protein'}
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    # the graph
    "Graph": "bali.graph",
    "Release": "bali_loaders.releases",
    "Subgraph": "bali_platform.subgraphs",
    "load": "bali_loaders.umls",
    "upgrade": "bali_loaders.umls",
    "verify": "bali_loaders.umls",
    "Terminology": "bali_platform.terminology",
    # text
    "build_corpus": "bali_loaders.corpora",
    "find_abbreviations": "bali_platform.text.abbreviations",
    "link": "bali.linking",
    "open_corpus": "bali_platform.text.corpus",
    "read_documents": "bali_loaders.corpora",
    "read_sentences": "bali_platform.text.corpus",
    "retrieve": "bali.retrieval",
    # training
    "JobStore": "bali_platform.jobs",
    "load_config": "bali_trainers.training.config",
    "train_folder": "bali_trainers.training.assembly",
    # what a model is worth, and its use
    "evaluate_mentions": "bali_trainers.evaluation",
    "evaluate_names": "bali_trainers.evaluation",
    "export_model": "bali_trainers.export",
    # what all of them share
    "BaliError": "bali_platform.base.errors",
    "Settings": "bali_platform.base.settings",
    "UsageError": "bali_platform.base.errors",
    "down": "bali_platform.services",
    "load_settings": "bali_platform.base.settings",
    "status": "bali_platform.services",
    "up": "bali_platform.services",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("bali_platform").__version__
    if name not in _HOMES:
        raise AttributeError(f"module 'bali' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])
