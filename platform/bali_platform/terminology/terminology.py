"""Everything that a terminologist asks of a graph, in one object."""

from __future__ import annotations

from bali_platform.terminology.finding import Findings
from bali_platform.terminology.mapping import Mappings
from bali_platform.terminology.value_sets import ValueSets


class Terminology(Findings, Mappings, ValueSets):
    """The codes, hierarchies, mappings and value sets of a graph."""
