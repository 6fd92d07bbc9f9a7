"""Linked corpora to the formats of other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from bali_loaders.corpora.writers.bioc import write_bioc_json, write_bioc_xml
from bali_loaders.corpora.writers.brat import write_brat
from bali_loaders.corpora.writers.docbin import write_docbin
from bali_loaders.corpora.writers.jsonl import write_doccano, write_jsonl
from bali_loaders.corpora.writers.linked import Describe, Described, LinkedDocument, read_linked
from bali_loaders.corpora.writers.mmi import write_mmi
from bali_loaders.corpora.writers.page import write_page
from bali_loaders.corpora.writers.pubtator import write_pubtator

__all__ = ["WRITERS", "Describe", "Described", "LinkedDocument", "read_linked"]

WRITERS: dict[str, Callable[[Iterable[LinkedDocument], Path], None]] = {
    "jsonl": write_jsonl,
    "brat": write_brat,
    "spacy": write_docbin,
    "doccano": write_doccano,
    "mmi": write_mmi,
    "bioc-xml": write_bioc_xml,
    "bioc-json": write_bioc_json,
    "pubtator": write_pubtator,
    "html": write_page,
}
