"""From the scores of all runs to means over seeds, intervals over documents, and paired tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict

from bali_trainers.evaluation import Difference, Estimate
from bali_trainers.evaluation.metrics import Values, compare, holm
from bali_trainers.evaluation.report import estimate_scores
from bali_trainers.study.config import EDGES
from bali_trainers.study.grid import UNTOUCHED, Model
from bali_trainers.study.outcomes import Encoding, Outcome, Part, Plan, StudyFolder

METRIC = "acc@1"
"""What encodings are chosen by, and what is tested, of mentions."""

_COMPARED = ("all", "unmatched", "refined", "unseen", "unseen concept")

Kind = Literal["gain", "change", "control", "encoding"]
"""Over the untouched model, against the main one, of a control, in one fixed encoding."""


class Comparison(BaseModel):
    """One model minus another on the same mentions, each in its encoding.

    ``corrected`` is Holm's p over all comparisons of the study.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    model: str
    against: str
    test: str
    subset: str
    encodings: tuple[Encoding, Encoding]
    difference: Difference
    corrected: float = 1.0


@dataclass(frozen=True)
class Measured:
    """All runs of one model that are over.

    Attributes:
        model: The model.
        seeds: The seeds, None for one taken as it is.
        outcomes: How each run went.
        scores: [S, M] by ``test/part/encoding/metric``, a row a seed.
    """

    model: Model
    seeds: tuple[int | None, ...]
    outcomes: tuple[Outcome, ...]
    scores: Mapping[str, Values]

    def encodings(self, test: str) -> list[Encoding]:
        """Return in which ways its mentions were encoded."""
        found = {place.split("/")[2] for place in self.scores if place.startswith(f"{test}/test/")}
        return [encoding for encoding in get_args(Encoding) if encoding in found]

    def best(self, test: str) -> Encoding:
        """Return the encoding that is best on the corpus to choose on, over all seeds.

        Of edges, it is the graph encoder's where the model has one.
        """
        if test == EDGES:
            return max(self.encodings(test), key=lambda encoding: encoding == "graph")
        means = {e: self.metrics(test, e, "choose")[METRIC].mean() for e in self.encodings(test)}
        return max(means, key=lambda encoding: means[encoding])

    def metrics(self, test: str, encoding: Encoding, part: Part = "test") -> dict[str, Values]:
        """Return each mention's score with each seed, [S, M], by metric."""
        start = f"{test}/{part}/{encoding}/"
        return {
            place.removeprefix(start): values
            for place, values in self.scores.items()
            if place.startswith(start)
        }

    def spread(self, test: str) -> float | None:
        """Return the standard deviation between seeds in the best encoding, if there are two."""
        place = f"{test}/test/{self.best(test)}/{metric_of(test)}"
        seeds = self.scores[place].mean(axis=1)
        return float(seeds.std(ddof=1)) if len(seeds) > 1 else None


def metric_of(test: str) -> str:
    """Return the metric by which models are compared on a test."""
    return "mrr" if test == EDGES else METRIC


def measure(folder: StudyFolder, plan: Plan, models: list[Model]) -> list[Measured]:
    """Collect what is there of every model; those without a finished run are left out."""
    keys: dict[str, dict[int | None, str]] = defaultdict(dict)
    for run in folder.finished(plan):
        keys[run.model][run.seed] = run.key
    return [_collect(folder, model, keys[model.name]) for model in models if keys[model.name]]


def _collect(folder: StudyFolder, model: Model, keys: dict[int | None, str]) -> Measured:
    runs = [folder.scores(key) for key in keys.values()]
    scores = {place: np.stack([run[place] for run in runs]) for place in runs[0]}
    return Measured(model, tuple(keys), tuple(folder.outcome(key) for key in keys.values()), scores)


def estimates(
    measured: Measured, folder: StudyFolder, test: str, encoding: Encoding
) -> dict[str, dict[str, Estimate]]:
    """Return every metric of every subset that is not empty, with intervals."""
    group = folder.group(test, "test")
    values = measured.metrics(test, encoding)
    return {
        subset: estimate_scores(values, group.asked(chosen))
        for subset, chosen in group.subsets.items()
        if chosen.any()
    }


def compare_models(folder: StudyFolder, plan: Plan, measured: list[Measured]) -> list[Comparison]:
    """Return every comparison of a study, with p-values corrected over all of them."""
    found = [
        comparison
        for test in plan.tests
        for kind, one, other, encodings in _pairs(measured, test)
        for comparison in _compare(folder, test, kind, one, other, encodings)
    ]
    corrected = holm([comparison.difference.p for comparison in found])
    return [
        comparison.model_copy(update={"corrected": p})
        for comparison, p in zip(found, corrected, strict=True)
    ]


def _pairs(
    measured: list[Measured], test: str
) -> Iterator[tuple[Kind, Measured, Measured, tuple[Encoding, Encoding]]]:
    """Yield what is compared with what on a test, and in which encodings."""
    by_name = {one.model.name: one for one in measured if one.encodings(test)}
    best = {name: one.best(test) for name, one in by_name.items()}
    untouched = by_name.get(UNTOUCHED)
    main = next((one for one in by_name.values() if one.model.role == "main"), None)
    for name, one in by_name.items():
        if untouched and one is not untouched:
            yield "gain", one, untouched, (best[name], best[UNTOUCHED])
        if main and one.model.role in ("variant", "named"):
            yield "change", one, main, (best[name], best[main.model.name])
        # Of edges that a control learns as they are, it may know more.
        spared = test == EDGES and one.model.spoils_links_alone
        if one.model.against in by_name and not spared:
            other = by_name[one.model.against]
            yield "control", one, other, (best[name], best[other.model.name])
    if main and untouched:
        for encoding in untouched.encodings(test):
            yield "encoding", main, untouched, (encoding, encoding)


def _compare(
    folder: StudyFolder,
    test: str,
    kind: Kind,
    one: Measured,
    other: Measured,
    encodings: tuple[Encoding, Encoding],
) -> Iterator[Comparison]:
    group, metric = folder.group(test, "test"), metric_of(test)
    ours, theirs = (m.metrics(test, e) for m, e in zip((one, other), encodings, strict=True))
    for subset in _COMPARED:
        chosen = group.subsets.get(subset)
        if chosen is not None and chosen.any():
            asked = group.asked(chosen)
            difference = compare(
                {metric: ours[metric][:, chosen]},
                {metric: theirs[metric][:, chosen]},
                asked.clusters,
            )
            yield Comparison(
                kind=kind,
                model=one.model.name,
                against=other.model.name,
                test=test,
                subset=subset,
                encodings=encodings,
                difference=difference[metric],
            )
