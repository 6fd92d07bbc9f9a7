"""What a linker links, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Literal

from bali_platform.base.errors import UsageError, did_you_mean

Preset = Literal["clinical", "literature"]


@dataclass(frozen=True)
class LinkOptions:
    """Choices of a :class:`~bali_loaders.linking.engine.TextLinker`.

    Attributes:
        types: Semantic types that a concept must have one of; none means any.
        groups: The same of semantic groups, by their labels in the graph.
        sources: The same of vocabularies.
        min_length: Least characters of a name.
        stop_names: Names never linked.
        stops: Leave out the shipped stop names too.
        clinical: Read abbreviations, headings and words as notes use them.
        nil: Least score of an answer, 0 to 1; names below it are left out.
    """

    types: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    min_length: int = 2
    stop_names: frozenset[str] = frozenset()
    stops: bool = False
    clinical: bool = False
    nil: float = 0.0

    def __repr__(self) -> str:
        """Tell the choices, in the same words in every process: sets have no order of their own."""
        told = {
            field.name: sorted(value) if isinstance(value, frozenset) else value
            for field in fields(self)
            for value in [getattr(self, field.name)]
        }
        return f"LinkOptions({told})"


PRESETS: MappingProxyType[Preset, LinkOptions] = MappingProxyType(
    {
        "clinical": LinkOptions(
            groups=frozenset({"Disorder", "ChemicalOrDrug"}), stops=True, clinical=True
        ),
        "literature": LinkOptions(stops=True),
    }
)


def chosen_options(
    preset: Preset,
    *,
    types: Collection[str] = (),
    groups: Collection[str] = (),
    sources: Collection[str] = (),
    nil: float = 0.0,
) -> LinkOptions:
    """Return a preset with filters of the user's own; groups or types replace its groups.

    Raises :class:`UsageError` for a preset that is none.
    """
    if preset not in PRESETS:
        raise UsageError(f"no preset '{preset}'{did_you_mean(preset, PRESETS)}")
    base = PRESETS[preset]
    return replace(
        base,
        types=frozenset(types),
        groups=frozenset(groups or (() if types else base.groups)),
        sources=frozenset(sources),
        nil=nil,
    )
