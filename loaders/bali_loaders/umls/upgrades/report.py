"""What an upgrade changed: as data, and as a page to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict

from bali_loaders.umls.options import LoadOptions
from bali_loaders.umls.upgrades.additions import Carried
from bali_loaders.umls.upgrades.changes import Changes

CONCEPTS, LEFT_BEHIND = "concepts.csv", "left-behind.jsonl"

FATES = {
    "added": "new",
    "merged": "merged into another",
    "mapped": "gone, mapped to others that are not the same",
    "deleted": "gone, replaced by nothing that is loaded",
    "left out": "still in the release, left out by the filters",
    "unexplained": "gone, and not in the release's history",
    "renamed": "with another preferred name",
    "retyped": "with other semantic types",
}
"""What may become of a concept, in words."""


class Edition(BaseModel):
    """One side of an upgrade."""

    model_config = ConfigDict(extra="forbid")

    store: str
    release: str
    graph_version: str
    options: LoadOptions


class UpgradeReport(BaseModel):
    """What an upgrade changed, what it carried over, and the seconds of its steps."""

    model_config = ConfigDict(extra="forbid")

    old: Edition
    new: Edition
    changes: Changes
    carried: Carried
    seconds: dict[str, float] = {}

    def concepts(self) -> Iterator[tuple[str, int]]:
        """Yield the numbers of concepts, in words."""
        counts = self.changes.concepts
        yield f"in {self.old.release}", counts["before"]
        yield f"in {self.new.release}", counts["after"]
        for fate, words in FATES.items():
            if number := counts.get(fate, 0):
                yield words, number

    def totals(self) -> Iterator[tuple[str, int, int]]:
        """Yield the numbers of names and of facts, in words."""
        names, facts = self.changes.names, self.changes.facts
        yield f"in {self.old.release}", names.before, facts.before
        yield f"in {self.new.release}", names.after, facts.after
        yield "gained", names.gained, facts.gained
        yield "of these with new concepts", names.gained_with_concepts, facts.gained_with_concepts
        yield "lost", names.lost, facts.lost
        yield "of these with concepts now gone", names.lost_with_concepts, facts.lost_with_concepts

    def by_source(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Yield source, names gained and lost, facts gained and lost."""
        for sab, counts in self.changes.sources.items():
            names, facts = counts.names_gained, counts.facts_gained
            yield sab, names, counts.names_lost, facts, counts.facts_lost

    def additions(self) -> Iterator[tuple[str, int]]:
        """Yield what became of people's additions, in words."""
        carried = self.carried
        yield "concepts with additions", carried.concepts
        if carried.merged:
            yield "of these merged into others, which have them now", carried.merged
        yield from ((f"property {name}", count) for name, count in carried.properties.items())
        yield from ((f"label {name}", count) for name, count in carried.labels.items())
        yield from ((f"index {name}", 1) for name in carried.indexes)
        yield from ((f"left behind: {why}", count) for why, count in carried.left_behind.items())
        yield from ((f"not carried: {what}", count) for what, count in carried.elsewhere.items())

    def markdown(self) -> str:
        """Return the report as a page."""
        heading = ("source", "names gained", "names lost", "facts gained", "facts lost")
        parts = (
            f"# From {self.old.release} to {self.new.release}",
            f"Store {self.old.store} to {self.new.store}.",
            *self._filters(),
            "## Concepts",
            _table(("concepts", "number"), self.concepts()),
            f"Each of them is in `{CONCEPTS}`.",
            "## Names and facts",
            _table(("", "names", "facts"), self.totals()),
            "## By source",
            _table(heading, self.by_source()),
            "## What you added",
            _table(("", "number"), self.additions()),
            f"What was left behind is in `{LEFT_BEHIND}`, with its values.",
        )
        return "\n\n".join(parts) + "\n"

    def _filters(self) -> Iterator[str]:
        old, new = self.old.options.model_dump(), self.new.options.model_dump()
        changed = [f"{key} {old[key]!r} to {new[key]!r}" for key in old if old[key] != new[key]]
        if changed:
            yield f"The filters changed too, and with them what is compared: {', '.join(changed)}."


def _table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
