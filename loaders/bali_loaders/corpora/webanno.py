"""WebAnno's TSV 3, which INCEpTION writes: tokens with their places, a column a feature."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from bali_loaders.corpora.codes import is_identifier
from bali_loaders.corpora.documents import Annotation, Document, MalformedError
from bali_loaders.corpora.sources import Source, lines_of
from bali_platform.base.errors import BaliError

_LAYER = re.compile(r"#T_(SP|CH|RL)=([^|]+)((?:\|[^|]*)*)")
_TOKEN = re.compile(r"\d+-\d+(\.\d+)?")
_STACKED = re.compile(r"(?<!\\)\[(\d+)\]\Z")


def is_webanno(header: str) -> bool:
    """Tell whether a first line is that of WebAnno TSV 3."""
    return header.startswith("#FORMAT=WebAnno TSV 3")


def read_webanno(source: Source) -> Iterator[Document]:
    """Yield the document of a file; features that are identifiers name concepts.

    Offsets in the file are units of UTF-16; those of the document are characters.
    """
    columns: list[tuple[str, int]] = []
    sentences: list[tuple[int, str]] = []
    pending: list[str] = []
    marks: dict[tuple[int, str], list[tuple[int, int, list[str]]]] = defaultdict(list)
    for number, line in lines_of(source):
        if layer := _LAYER.fullmatch(line):
            columns.append((layer[1], layer[3].count("|")))
        elif line.startswith("#Text="):
            pending.append(_unescaped(line.removeprefix("#Text=")))
        elif line.strip() and not line.startswith("#"):
            cells = line.split("\t")
            start, end = _place(cells, source, number)
            if pending:
                sentences.append((start, "\n".join(pending)))
                pending = []
            for mark, values in _marks(cells[3:], columns, cells[0]):
                marks[mark].append((start, end, values))
    text = _joined(sentences)
    try:
        yield Document(source.name, text, tuple(_annotations(marks, text)))
    except MalformedError as error:
        source.fault("", str(error))


def _place(cells: list[str], source: Source, number: int) -> tuple[int, int]:
    start, parted, end = cells[1].partition("-") if len(cells) > 2 else ("", "", "")
    if not (_TOKEN.fullmatch(cells[0]) and start.isdecimal() and parted and end.isdecimal()):
        raise BaliError(f"{source.path}, line {number}: no token, its place and its text")
    return int(start), int(end)


def _marks(
    cells: list[str], columns: list[tuple[str, int]], token: str
) -> Iterator[tuple[tuple[int, str], list[str]]]:
    """Yield what a token's cells say: (layer, number of the mark or the token), values."""
    at = 0
    for layer, (kind, width) in enumerate(columns):
        own = cells[at : at + width]
        at += max(width, 1)
        found: dict[str, list[str]] = defaultdict(list)
        for cell in own if kind == "SP" else ():
            for part in re.split(r"(?<!\\)\|", cell):
                stacked = _STACKED.search(part)
                value, number = (part[: stacked.start()], stacked[1]) if stacked else (part, None)
                if value != "_":
                    found[number or token].append(_unescaped(value))
        for number, values in found.items():
            yield (layer, number), values


def _annotations(
    marks: dict[tuple[int, str], list[tuple[int, int, list[str]]]], text: str
) -> Iterator[Annotation]:
    characters = _from_utf16(text)
    for pieces in marks.values():
        values = dict.fromkeys(value for _, _, found in pieces for value in found)
        identifiers = tuple(value for value in values if is_identifier(value))
        kind = next((v for v in values if v not in identifiers and v != "*"), "")
        start, end = pieces[0][0], max(end for _, end, _ in pieces)
        try:
            yield Annotation(characters[start], characters[end], identifiers, kind)
        except KeyError:
            raise MalformedError(f"offsets {start} to {end} are not in the text") from None


def _from_utf16(text: str) -> dict[int, int]:
    if text.isascii():
        return {place: place for place in range(len(text) + 1)}
    places, at = {0: 0}, 0
    for number, character in enumerate(text, 1):
        at += 2 if ord(character) > 0xFFFF else 1
        places[at] = number
    return places


def _joined(sentences: list[tuple[int, str]]) -> str:
    """Put sentences where they begin; offsets are units of UTF-16."""
    text = ""
    for start, sentence in sentences:
        text += " " * min(max(start - len(text.encode("utf-16-le")) // 2, 0), 100_000) + sentence
    return text


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text)
