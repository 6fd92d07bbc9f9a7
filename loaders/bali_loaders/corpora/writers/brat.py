"""brat's standoff: a ``.txt`` and an ``.ann`` for each document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bali_loaders.corpora.writers.linked import LinkedDocument, extras
from bali_platform.base.files import new_folder, writing


def write_brat(documents: Iterable[LinkedDocument], folder: Path) -> None:
    """Write a folder; references (N) name concepts, attributes (A) what is said of them."""
    with writing(folder), new_folder(folder) as building:
        for document in documents:
            text = _free(building / f"{_file_name(document.id)}.txt")
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(document.text, encoding="utf-8", newline="")
            marks = "".join(f"{line}\n" for line in _lines(document))
            text.with_suffix(".ann").write_text(marks, encoding="utf-8", newline="")


def _lines(document: LinkedDocument) -> Iterator[str]:
    attributes = 0
    for number, mention in enumerate(document.mentions, 1):
        surface = document.text[mention.start : mention.end]
        spots = ";".join(f"{start} {end}" for start, end in _pieces(surface, mention.start))
        yield f"T{number}\tConcept {spots}\t{' '.join(surface.splitlines())}"
        yield f"N{number}\tReference T{number} UMLS:{mention.cui}\t{document.name(mention.cui)}"
        for name in extras(mention).get("attributes", ()):
            attributes += 1
            yield f"A{attributes}\t{name.capitalize()} T{number}"


def _pieces(surface: str, origin: int) -> Iterator[tuple[int, int]]:
    """Yield the places of a mention's lines: brat's marks do not go over a line's end."""
    for line in re.finditer(r"[^\r\n]+", surface):
        yield origin + line.start(), origin + line.end()


def _file_name(name: str) -> str:
    parts = re.sub(r"\.txt$", "", name).split("/")
    return "/".join(re.sub(r"[^\w.+#-]|^\.+", "_", part) or "_" for part in parts)


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}.txt")
    return free
