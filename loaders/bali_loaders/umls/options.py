"""What of a release is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from bali_loaders.releases import Release
from bali_platform.base.errors import UsageError, did_you_mean

Preset = Literal["standard", "lean", "browse", "full"]


class LoadOptions(BaseModel):
    """Filters and extras of a load; an empty tuple means no restriction.

    ``sources`` are root abbreviations (MRSAB's RSAB), ``languages`` MRCONSO's LAT codes,
    ``licences`` the categories of MRSAB's SRL. ``suppressible`` keeps rows whose SUPPRESS is not N,
    ``siblings`` the SIB relations, which are implied by their parents. ``attributes`` (MRSAT) hang
    on atoms and concepts as ``:Attribute`` nodes; ``hierarchies`` (MRHIER) join atoms by ``BELOW``;
    ``maps`` (MRMAP) hang on the concepts they map from as ``:Mapping`` nodes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("ENG",)
    licences: tuple[int, ...] = ()
    suppressible: bool = False
    siblings: bool = False
    attributes: bool = False
    hierarchies: bool = False
    maps: bool = False

    @field_validator("sources", "languages", "licences")
    @classmethod
    def _in_order(cls, values: tuple[str, ...] | tuple[int, ...]) -> tuple[object, ...]:
        return tuple(sorted(set(values), key=str))


PRESETS: dict[Preset, LoadOptions] = {
    "standard": LoadOptions(hierarchies=True, maps=True),
    "lean": LoadOptions(),
    "browse": LoadOptions(siblings=True, attributes=True, hierarchies=True, maps=True),
    "full": LoadOptions(
        languages=(), suppressible=True, siblings=True, attributes=True, hierarchies=True, maps=True
    ),
}


def check_choices(release: Release, options: LoadOptions) -> None:
    """Refuse a source or licence category that MRSAB does not know.

    Raises :class:`UsageError`.
    """
    rows = list(release.rows("MRSAB"))
    _check("source", options.sources, {row["RSAB"] for row in rows})
    _check("licence category", map(str, options.licences), {row["SRL"] for row in rows})


def _check(kind: str, asked: Iterable[str], known: set[str]) -> None:
    for value in asked:
        if value not in known:
            hint = did_you_mean(value, known)
            raise UsageError(f"{kind} '{value}' is not in the release's MRSAB.RRF{hint}")
