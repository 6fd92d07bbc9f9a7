"""What the Neo4j Browser offers runs on any graph: this one has no vectors, and few types."""

from __future__ import annotations

import html
import re
from importlib.resources import files

import pytest

from bali_platform.graph.cypher import run_cypher
from bali_platform.services.browser import favourites
from bali_platform.terminology import Terminology

pytestmark = pytest.mark.services
_QUERY = re.compile(r'<pre class="pre-scrollable code runnable">(.*?)</pre>', re.S)


def test_guides_and_favourites_run_without_an_error(terms: Terminology) -> None:
    folder = files("bali_platform.graph") / "browser"
    texts = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    guides = [query for text in texts.values() for query in _QUERY.findall(text)]
    queries = [*map(html.unescape, guides), *favourites(texts["favourites.cypher"])]
    assert len(queries) > 25
    for query in queries:
        run_cypher(terms.graph, query, limit=5)
