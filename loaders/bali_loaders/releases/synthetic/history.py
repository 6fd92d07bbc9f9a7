"""Concepts of the past: MRCUI, and CHANGE/ for those gone since the last release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bali_loaders.releases.synthetic.shape import FIRST_CUI, RETIRED_CUI, Shape, version_of


@dataclass(frozen=True, slots=True)
class Retired:
    """A concept that is gone: since when (the last release that had it), and where to."""

    cui: str
    version: str
    maps: tuple[tuple[str, str, str], ...]
    """(REL, CUI2, MAPIN); none for a deleted concept."""

    @property
    def merged_into(self) -> str | None:
        """The one concept that it is now part of."""
        return self.maps[0][1] if self.maps and self.maps[0][0] == "SY" else None


def retired_concepts(shape: Shape) -> list[Retired]:
    """List those gone before the first edition, and those that later editions retired."""
    before = [_long_gone(shape, number) for number in range(max(20, shape.concepts // 50))]
    return before + list(_lately_gone(shape))


def _long_gone(shape: Shape, number: int) -> Retired:
    """Delete, merge, map to several, merge into a retired one, or make broader: each in turn."""
    living = [_living(shape, number * step + 3) for step in (7, 11, 13)]
    fates = (
        (),
        (("SY", living[0], "Y"),),
        (("RB", living[0], "Y"), ("RN", living[1], "Y"), ("RO", living[2], "Y")),
        (("SY", f"C{RETIRED_CUI + number - 2}", "N"),),
        (("RB", living[1], "Y"),),
    )
    version = version_of(-1 - number % 9)
    return Retired(f"C{RETIRED_CUI + number}", version, fates[number % 5])


def _living(shape: Shape, number: int) -> str:
    concept = np.array([number % shape.concepts])
    # No edition retires a concept this far from one that is retired.
    aside = 61 if shape.retired_in(concept)[0] else 0
    return f"C{FIRST_CUI + int(concept[0]) + aside}"


def _lately_gone(shape: Shape) -> Iterator[Retired]:
    for chunk in shape.chunks():
        edition = shape.retired_in(chunk)
        gone = edition > 0
        for concept, since, merged in zip(
            chunk[gone], edition[gone], shape.merged(chunk[gone]), strict=True
        ):
            maps = (("SY", f"C{FIRST_CUI + concept + 1}", "Y"),) if merged else ()
            yield Retired(f"C{FIRST_CUI + concept}", version_of(int(since) - 1), maps)


def cui_rows(retired: list[Retired]) -> Iterator[tuple[str, ...]]:
    """Yield MRCUI."""
    for concept in retired:
        for rel, target, mapped in concept.maps or (("DEL", "", ""),):
            yield concept.cui, concept.version, rel, "", "", target, mapped


def merged_rows(retired: list[Retired], last: str) -> Iterator[tuple[str, ...]]:
    """Yield CHANGE/MERGEDCUI: what the release ``last`` had and this one merged."""
    for concept in retired:
        if concept.version == last and concept.merged_into:
            yield concept.cui, concept.merged_into


def deleted_rows(retired: list[Retired], last: str) -> Iterator[tuple[str, ...]]:
    """Yield CHANGE/DELETEDCUI: what the release ``last`` had and this one deleted."""
    for concept in retired:
        if concept.version == last and not concept.maps:
            yield concept.cui, f"former name of {concept.cui}"
