"""Splitting biomedical prose into sentences."""

from __future__ import annotations

import re

from bali_loaders.linking.layout import block_starts

_ABBREVIATIONS = """
    approx ave ca cf co corp dept dr ed eds eg e.g esp est etc ex fig figs i.e ie inc incl jr ltd
    max min mr mrs ms mt no nos op p.o pp prof ref refs resp sec sect sen sp spp sq sr ssp st subsp
    suppl syn tab temp var viz vol vs
"""
_STARTERS = """
    A According After All Also Although An And As At Because Both But By Can Clinical Each For From
    Has He Here How However If In Inhibition It Its Mutations Most Of On One Other Our Patients
    Results She Since Some Such That The Their Then There Therefore These They This Those Thus To
    Two Under Used We What When Where Whether Which While With
"""
_NO_END = frozenset(_ABBREVIATIONS.split())
_CAN_BEGIN = frozenset(_STARTERS.split())
_STOP = re.compile(
    r"""
    (?<![.!?]) [.!?]++ [\])}"'”’»]*+ \s++
    (?= [\[({"'“‘«]*+ (?P<next> [^\W_a-z]\w* | [a-z]{1,2}[A-Z0-9]\w* ) )
    """,
    re.VERBOSE,
)
_LONGEST_WORD = 50
"""Characters before a stop that are read to see what word it belongs to."""


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Return the sentences of ``text`` as (start, end) character offsets, without outer space.

    A stop ends a sentence when white space and something that can begin one follow it, unless it
    belongs to an abbreviation, an initial or the number of a list item. So does a line that begins
    something new: an item, a heading, a paragraph. Wrapped lines do not.

    >>> text = "Caused by E. coli (cf. Fig. 2). mRNA was reduced by 0.5%. It rose."
    >>> [text[start:end] for start, end in split_sentences(text)]
    ['Caused by E. coli (cf. Fig. 2).', 'mRNA was reduced by 0.5%.', 'It rose.']
    """
    blocks = block_starts(text)
    spans, start = [], 0
    for block in [*blocks, len(text)]:
        for stop in _STOP.finditer(text, start, block):
            if _ends_sentence(text, start, stop):
                spans.append((start, stop.end()))
                start = stop.end()
        spans.append((start, block))
        start = block
    return [trimmed for span in spans if (trimmed := _trim(text, *span))]


def _ends_sentence(text: str, start: int, stop: re.Match[str]) -> bool:
    if text[stop.start() : stop.start() + 2].rstrip() != ".":
        return True
    near = text[max(start, stop.start() - _LONGEST_WORD) : stop.start()]
    word = re.split(r"[\s!?]", near)[-1].lstrip("([{\"'“‘«")
    if word.lower() in _NO_END:
        return False
    if len(word) == 1 and word.isupper():
        return stop["next"] in _CAN_BEGIN
    if word.isdigit() and len(word) <= 2 and stop["next"][0].isdigit():
        return False  # old abstracts are printed "0. 5 mg"
    before = near[: len(near) - len(word)].split()
    is_item_number = word.isdigit() and not before and len(near) < _LONGEST_WORD
    is_citation = word == "al" and before[-1:] == ["et"]
    return bool(word) and not is_item_number and not is_citation


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    end -= len(part) - len(part.rstrip())
    return (start, end) if start < end else None
