"""MetaMap Indexing (MMI): a line a concept and document, as MetaMap and MetaMapLite write it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from bali_loaders.corpora.writers.files import write_pieces
from bali_loaders.corpora.writers.linked import LinkedDocument, extras
from bali_platform.text.corpus import Mention

_NO_FIELD = str.maketrans('|"\n\r\t', "/'   ")


def write_mmi(documents: Iterable[LinkedDocument], path: Path) -> None:
    """Write id, ``MMI``, score, name, CUI, types, triggers, location, places and no tree codes.

    The score is a thousand times that of the surest mention; places are start/length. Semantic
    types are names: the graph holds no abbreviations of them.
    """
    write_pieces(path, (line for document in documents for line in _lines(document)))


def _lines(document: LinkedDocument) -> Iterator[str]:
    found: dict[str, list[Mention]] = defaultdict(list)
    for mention in document.mentions:
        found[mention.cui].append(mention)
    scored = {cui: max(extras(m).get("score", 1.0) for m in own) for cui, own in found.items()}
    for cui, score in sorted(scored.items(), key=lambda item: -item[1]):
        name = document.name(cui).translate(_NO_FIELD)
        fields = [
            document.id.translate(_NO_FIELD),
            "MMI",
            f"{1000 * score:.2f}",
            name,
            cui,
            f"[{','.join(document.types(cui))}]",
            ",".join(_trigger(name, m, n, document.text) for n, m in enumerate(found[cui], 1)),
            "TX",
            ";".join(f"{m.start}/{m.end - m.start}" for m in found[cui]),
            "",
        ]
        yield "|".join(fields) + "\n"


def _trigger(name: str, mention: Mention, number: int, text: str) -> str:
    surface = text[mention.start : mention.end].translate(_NO_FIELD)
    negated = int("negated" in extras(mention).get("attributes", ()))
    return f'"{name}"-tx-{number}-"{surface}"--{negated}'
