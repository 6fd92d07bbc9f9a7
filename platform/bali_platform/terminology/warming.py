"""Questions for a server that has just started."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from bali_platform.base.errors import BaliError
from bali_platform.terminology.terminology import Terminology

TIMES = 20


def warm_up(terms: Terminology, ends: Callable[[], bool] = lambda: False) -> None:
    """Ask every kind of question a few times: Neo4j plans a statement when it first meets it.

    It ends early once ``ends`` says so.
    """
    with suppress(BaliError):  # whoever asks next is told
        held = [source for source in terms.sources.values() if source.atoms]
        largest = max(held, key=lambda source: source.concepts, default=None)
        if largest is None:
            return
        rows = terms.graph.query("code_near", sources=[largest.sab], start="")
        codes = [f"{largest.sab}:{row['code']}" for row in rows]
        terms.subsumes_each([(codes[0], code) for code in codes])  # remembers what is high up
        for code in terms.resolve_codes(codes[:TIMES]):
            if ends():
                return
            terms.subsumes(codes[0], str(code))
            terms.find(code.name, sources=[largest.sab])
            terms.validate([str(code)], displays=[code.name])
            list(terms.map_codes([str(code)], None, [code.source]))
