"""``bali corpus review``: a person decides what the linker was unsure of."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import JsonOption, out, print_json
from bali_platform.base.errors import BaliError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bali_loaders.corpora.reviewing import Doubt, Review
    from bali_platform.graph import Concept

SHOWN = 9
KEYS = "1-9 that concept, 0 none, Enter later, q enough"


def review(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A linked corpus.")],
    decisions: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="Decisions, in CORPUS-review.tsv by default."),
    ] = None,
    below: Annotated[
        float, typer.Option(min=0, max=1, help="Ask about mentions that are less sure than this.")
    ] = 0.8,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Write what is decided as gold."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about mentions that are not sure, or may be several concepts: a key for each.

    Every decision is kept at once, in a table that a spreadsheet can fill in, too: a CUI in the
    column `decision`, or - for none. Ctrl-C loses nothing; the same command goes on. With --output,
    the sentences without an open doubt become a corpus to score or train with.
    """
    from bali_loaders.corpora.reviewing import NOTHING, Review
    from bali_platform.graph import Graph
    from bali_platform.text.corpus import open_corpus

    open_corpus(corpus)
    table = decisions or corpus.with_name(f"{corpus.name}-review.tsv")
    found = Review(corpus, table, below)
    with Graph.connect() as graph:
        cuis = {cui for doubt in found.doubts for cui in doubt.candidates}
        concepts = graph.concepts(sorted(cuis.union(found.decisions.values()) - {NOTHING}))
    _require_known(found, concepts, table)
    if output:
        _write_gold(found, corpus, output)
    elif as_json:
        print_json([doubt.place._asdict() | doubt.told for doubt in found.open])
        return
    elif sys.stdin.isatty():
        _ask(found, concepts)
    left = len(found.open)
    out.print(f"{table}: {len(found.decisions)} decided, {left} open", highlight=False)


def _require_known(found: Review, concepts: Mapping[str, Concept], table: Path) -> None:
    from bali_loaders.corpora.reviewing import NOTHING

    for cui in found.decisions.values():
        if cui not in concepts and cui != NOTHING:
            raise BaliError(f"{table}: the graph has no concept '{cui}': give a CUI, or - for none")


def _ask(found: Review, concepts: Mapping[str, Concept]) -> None:
    """Ask about one doubt after the other, until all are decided or the person has enough."""
    try:
        waiting = found.open
        for number, doubt in enumerate(waiting, 1):
            _show(doubt, concepts, f"{number} of {len(waiting)}")
            decision = _decision(doubt)
            if decision is None:
                return
            if decision:
                found.decide(doubt, decision)
    finally:
        found.save()


def _show(doubt: Doubt, concepts: Mapping[str, Concept], place: str) -> None:
    from rich.text import Text

    before, _, rest = doubt.context.partition("[[")
    marked, _, after = rest.partition("]]")
    out.print(Text.assemble("\n", (f"{place}, {doubt.place.document}: {KEYS}", "dim")))
    out.print(Text.assemble(before, (marked, "reverse"), after))
    for key, cui in enumerate(doubt.candidates[:SHOWN], 1):
        concept = concepts.get(cui)
        told = f"{concept.name} ({cui}), {', '.join(concept.semantic_types)}" if concept else cui
        out.print(f"  {key}  {told}", markup=False, highlight=False)


def _decision(doubt: Doubt) -> str | None:
    """Wait for a key: a CUI, - for none, nothing for later; None is enough."""
    from bali_loaders.corpora.reviewing import NOTHING

    while True:
        key = typer.getchar()
        if key in ("q", "\x04"):
            return None
        if key in ("\r", "\n"):
            return ""
        if key == "0":
            return NOTHING
        if key in map(str, range(1, 1 + len(doubt.candidates[:SHOWN]))):
            return doubt.candidates[int(key) - 1]


def _write_gold(found: Review, corpus: Path, output: Path) -> None:
    from bali_platform.text.corpus import open_corpus, write_corpus

    info = open_corpus(corpus)
    counts: Counter[str] = Counter({"decided mentions": len(found.decisions)})
    write_corpus(
        output,
        found.gold(counts),
        name=output.name,
        graph_version=info.graph_version,
        details=info.details | {"counts": counts},  # filled while the sentences pass
    )
    for texts in corpus.glob("documents-*.parquet"):
        shutil.copy(texts, output)
