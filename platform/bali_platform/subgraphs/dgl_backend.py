"""Importing DGL beside a current PyTorch."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

from bali_platform.base.errors import BaliError


def import_dgl() -> ModuleType:
    """Return the ``dgl`` module; raises :class:`BaliError` where it is not installed.

    The last DGL on the Python Package Index (2.1.0) imports its GraphBolt part on start, and that
    part is built for each version of PyTorch, the newest of which came out in 2024. Nothing here
    uses GraphBolt, so an empty module takes its place; graphs, layers and sampling then work with
    any PyTorch.
    """
    os.environ.setdefault("DGLBACKEND", "pytorch")
    sys.modules.setdefault("dgl.graphbolt", ModuleType("dgl.graphbolt"))
    try:
        return importlib.import_module("dgl")
    except ImportError as error:
        raise BaliError(
            "DGL is not installed: pip install 'bali[dgl]' (it has wheels up to Python 3.12)"
        ) from error
