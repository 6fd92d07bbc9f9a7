"""What is found of models, in one shape for every task: outcomes become tables, JSON and a page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bali_trainers.evaluation.metrics import (
    Clusters,
    Difference,
    Estimate,
    Values,
    compare,
    estimate,
)
from bali_trainers.evaluation.page import Heading, Points, Table, to_html, to_markdown

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    """Some of Q questions.

    Attributes:
        chosen: [Q] which.
        clusters: [chosen] the cluster of each, numbered without gaps.
        kinds: [chosen] what macro averages are over, numbered without gaps, if there is such.
    """

    chosen: Mask
    clusters: Clusters
    kinds: Clusters | None = None

    @classmethod
    def of(cls, chosen: Mask, clusters: Clusters, kinds: Clusters | None) -> Asked:
        """Choose from the clusters and kinds of all questions, [Q]."""
        return cls(
            chosen,
            _renumbered(clusters[chosen]),
            kinds if kinds is None else _renumbered(kinds[chosen]),
        )

    @property
    def weights(self) -> Values | None:
        """What each question counts in a macro average, [chosen]."""
        return None if self.kinds is None else 1 / np.bincount(self.kinds)[self.kinds]


@dataclass(frozen=True, kw_only=True)
class Outcome(ABC):
    """What one model answered.

    Attributes:
        shares: Whether its metrics are shares, which are shown in per cent.
        model: Its folder or name.
        view: What of a question it read, where there are several ways.
        notes: What else is worth telling, as JSON values.
    """

    shares: ClassVar[bool] = True
    model: str
    view: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How reports call it."""
        return f"{self.model}, {self.view}" if self.view else self.model

    @abstractmethod
    def estimates(self, asked: Asked) -> dict[str, Estimate]:
        """Return each metric over the questions that are chosen."""

    @abstractmethod
    def gains(self, baseline: Any, asked: Asked) -> dict[str, Difference]:
        """Return each metric minus that of another model, which answered the same questions."""


@dataclass(frozen=True, kw_only=True)
class Scored(Outcome):
    """An outcome whose metrics are means: ``scores[metric]`` is [Q], or [S, Q] of S seeds.

    Where questions are of several kinds, the first metric is averaged over these, too (macro).
    """

    scores: dict[str, Values]

    def estimates(self, asked: Asked) -> dict[str, Estimate]:
        """Return the mean of each metric."""
        return estimate_scores(self.scores, asked)

    def gains(self, baseline: Scored, asked: Asked) -> dict[str, Difference]:
        """Return the mean of each paired difference."""
        return compare_scores(self.scores, baseline.scores, asked)


def estimate_scores(scores: Mapping[str, Values], asked: Asked) -> dict[str, Estimate]:
    """Return the mean of each metric, [Q] or [S, Q], and the first one's over kinds."""
    found = {
        name: estimate(values[..., asked.chosen], asked.clusters) for name, values in scores.items()
    }
    if asked.weights is not None:
        name, values = next(iter(scores.items()))
        found[f"{name} macro"] = estimate(values[..., asked.chosen], asked.clusters, asked.weights)
    return found


def compare_scores(
    scores: Mapping[str, Values], baseline: Mapping[str, Values], asked: Asked
) -> dict[str, Difference]:
    """Return the difference of each metric that both have, and the first one's over kinds."""
    ours, theirs = (
        {name: values[..., asked.chosen] for name, values in of.items() if name in baseline}
        for of in (scores, baseline)
    )
    found = compare(ours, theirs, asked.clusters)
    if asked.weights is not None:
        name = next(iter(ours))
        macro = compare({name: ours[name]}, {name: theirs[name]}, asked.clusters, asked.weights)
        found[f"{name} macro"] = macro[name]
    return found


class Section(BaseModel):
    """A table of a report.

    Attributes:
        models: Metrics by label of the outcome.
        differences: What each gains over its baseline.
        shares: Whether the values are shares, which are shown in per cent.
    """

    model_config = ConfigDict(frozen=True)

    models: dict[str, dict[str, Estimate]] = {}
    differences: dict[str, dict[str, Difference]] = {}
    shares: bool = True

    def table(self) -> Table:
        """Write it down, models first, then what they gain."""
        rows: dict[str, Mapping[str, Estimate]] = dict(self.models)
        rows |= {f"{label}, gain": gains for label, gains in self.differences.items()}
        metrics = list(dict.fromkeys(name for row in rows.values() for name in row))
        return Table(
            ("model", *metrics),
            [
                [label, *(self._cell(row[name]) if name in row else "" for name in metrics)]
                for label, row in rows.items()
            ],
        )

    def _cell(self, found: Estimate) -> str:
        shape = "{:+.1%}" if isinstance(found, Difference) else "{:.1%}"
        if not self.shares:
            shape = "{:.3f}" if isinstance(found, Difference) else "{:.2f}"
        value, low, high = (shape.format(x) for x in (found.value, found.low, found.high))
        return f"{value} ({low} to {high})"


class Report(BaseModel):
    """What several models made of one task.

    Attributes:
        task: Its name on the command line.
        title: What was asked.
        facts: Everything that the values depend on, and how many questions there are.
        notes: More about each outcome that has more.
        sections: A table for each subset of the questions, and what else the task compares.
    """

    model_config = ConfigDict(frozen=True)

    task: str
    title: str
    facts: dict[str, Any]
    notes: dict[str, dict[str, Any]]
    sections: dict[str, Section]

    def titled(self) -> Iterator[tuple[str, Section]]:
        """Yield each section with its title: what was asked, and of which questions."""
        sizes = self.facts.get("subsets", {})
        for name, section in self.sections.items():
            size = f" ({sizes[name]:,})" if name in sizes else ""
            yield (self.title if name == "all" else f"{self.title}: {name}{size}"), section

    def html(self) -> str:
        """Write it as a page that needs no other file."""
        return to_html(self._blocks())

    def markdown(self) -> str:
        """Write it as Markdown."""
        return to_markdown(self._blocks())

    def _blocks(self) -> list[Heading | Points | Table]:
        blocks: list[Heading | Points | Table] = [Heading(self.title, 1)]
        for title, section in self.titled():
            blocks += [Heading(title), section.table()]
        facts = {**self.facts, **self.notes}
        blocks += [Heading("How"), Points([f"{name}: {value}" for name, value in facts.items()])]
        return blocks


class Task(ABC):
    """Questions, before any model answers them; ``name`` is what the command line calls them."""

    name: str

    @property
    @abstractmethod
    def title(self) -> str:
        """What is asked, in a line."""

    @property
    @abstractmethod
    def clusters(self) -> Clusters:
        """The cluster of each question, [Q]: those of one are not independent."""

    @property
    def kinds(self) -> Clusters | None:
        """What macro averages are over, of each question, [Q], if there is such."""
        return None

    @property
    def facts(self) -> dict[str, Any]:
        """What a report says of the questions, as JSON values."""
        return {}

    @property
    def subsets(self) -> dict[str, Mask]:
        """Subsets of the questions that have tables of their own, each [Q]."""
        return {"all": np.ones(len(self.clusters), dtype=bool)}

    def baseline(self, outcome: Outcome, outcomes: Sequence[Outcome]) -> Outcome:
        """Return what an outcome is compared with: the first one."""
        return outcomes[0]

    def further(self, outcomes: Sequence[Any]) -> dict[str, Section]:
        """Return what else is compared."""
        return {}


def report(task: Task, outcomes: Sequence[Outcome], **facts: Any) -> Report:
    """Report outcomes on ``task``; ``facts`` say what else the values depend on."""
    subsets = {name: mask for name, mask in task.subsets.items() if mask.any()}
    sizes = {"subsets": {name: int(mask.sum()) for name, mask in subsets.items()}}
    return Report(
        task=task.name,
        title=task.title,
        facts={**task.facts, **(sizes if len(task.subsets) > 1 else {}), **facts},
        notes={outcome.label: dict(outcome.notes) for outcome in outcomes if outcome.notes},
        sections={
            **{name: _section(task, outcomes, mask) for name, mask in subsets.items()},
            **task.further(outcomes),
        },
    )


def _section(task: Task, outcomes: Sequence[Outcome], chosen: Mask) -> Section:
    asked = Asked.of(chosen, task.clusters, task.kinds)
    baselines = [task.baseline(outcome, outcomes) for outcome in outcomes]
    return Section(
        models={o.label: o.estimates(asked) for o in outcomes},
        differences={
            o.label: o.gains(baseline, asked)
            for o, baseline in zip(outcomes, baselines, strict=True)
            if o is not baseline
        },
        shares=outcomes[0].shares,
    )


def _renumbered(clusters: Clusters) -> Clusters:
    numbers: Clusters = np.unique(clusters, return_inverse=True)[1]
    return numbers
