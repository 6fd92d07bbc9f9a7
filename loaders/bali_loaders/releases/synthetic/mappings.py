"""MRMAP and MRSMAP: mappings between codes of made-up sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bali_loaders.releases.synthetic.shape import FIRST_CUI, Shape
from bali_loaders.releases.synthetic.vocabulary import SOURCES

MAP_SETS = 3


@dataclass(frozen=True, slots=True)
class _Mapping:
    number: int
    set_cui: str
    sab: str
    rank: str
    source_code: str
    target_code: str


def _mappings(shape: Shape) -> Iterator[_Mapping]:
    """Map codes of the map set's source to codes of another; every sixth one to two of them."""
    for number in range(max(24, shape.concepts // 100)):
        map_set = number % MAP_SETS
        start, to = SOURCES[1 + map_set], SOURCES[5 + map_set]
        concept = number // 6 * 5 + min(number % 6, 4)
        source_code = f"{start.code_prefix}{200_000 + concept}"
        target_code = f"{to.code_prefix}{200_000 + (number * 3) % shape.concepts}"
        rank = "2" if number % 6 == 5 else "1"
        cui = f"C{FIRST_CUI + map_set}"
        yield _Mapping(number, cui, start.sab, rank, source_code, target_code)


def map_rows(shape: Shape) -> Iterator[tuple[str, ...]]:
    """Yield MRMAP."""
    for m in _mappings(shape):
        map_id = f"AT{400_000_000 + m.number}"
        yield (
            *(m.set_cui, m.sab, "1", m.rank, map_id, ""),
            *(str(1000 + m.number), "", m.source_code, "SCUI", "", ""),
            *("RQ", "mapped_to"),
            *(str(5000 + m.number), "", m.target_code, "SCUI", "", ""),
            *("", "", "", "", "", ""),
        )


def simple_map_rows(shape: Shape) -> Iterator[tuple[str, ...]]:
    """Yield MRSMAP."""
    for m in _mappings(shape):
        map_id = f"AT{500_000_000 + m.number}"
        label = ("SCUI", "RQ", "mapped_to")
        yield m.set_cui, m.sab, map_id, "", m.source_code, *label, m.target_code, "SCUI", ""
