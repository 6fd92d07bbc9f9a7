"""What the numbers of a study say, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from bali_trainers.evaluation import Estimate
from bali_trainers.study.comparison import Comparison
from bali_trainers.study.config import EDGES
from bali_trainers.study.results import ModelResult, StudyReport

LEVEL = 0.05
"""Below it, a p is taken as more than chance."""


def interval(estimate: Estimate) -> str:
    """Write a share with its interval, in percent."""
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"


def difference(comparison: Comparison) -> str:
    """Write a difference in points with its interval and its corrected p."""
    return f"{_points(comparison)}, p {comparison.corrected:.2g}"


def failed_as_it_must(control: Comparison) -> bool:
    """Whether a control gains nothing, by its uncorrected p: the stricter reading of a control."""
    return control.difference.value <= 0 or control.difference.p >= LEVEL


def summarise(report: StudyReport) -> list[str]:
    """Say what was found, in sentences that follow from the numbers alone."""
    return [
        *_warnings(report),
        _trained(report),
        *(sentence for test in report.tests for sentence in _gains(report, test)),
        *_alone(report),
        *_named(report),
        *_variants(report),
        *_controls(report),
    ]


def _warnings(report: StudyReport) -> Iterator[str]:
    if report.missing:
        yield (
            f"This report is not complete: {len(report.missing)} runs are missing "
            f"({'; '.join(report.missing[:5])}{' ...' if len(report.missing) > 5 else ''})."
        )


def _trained(report: StudyReport) -> str:
    trained = [model for model in report.models if model.steps]
    if not trained:
        return "No model has been trained yet."
    models = "1 model was" if len(trained) == 1 else f"{len(trained)} models were"
    seeds = "1 seed" if len(report.seeds) == 1 else f"{len(report.seeds)} seeds"
    minutes = [model.cpu_minutes for model in trained]
    ends = dict.fromkeys(f"{end(minutes):.1f}" for end in (min, max))
    return (
        f"{models} trained with {seeds}{' each' if len(trained) > 1 else ''}, "
        f"a run in {' to '.join(ends)} minutes of processor time."
    )


def _gains(report: StudyReport, test: str) -> Iterator[str]:
    if report.main is None:
        return
    models = {model.name: model for model in report.models}
    for c in report.of("gain", test=test, model=report.main.name):
        ours, theirs = (models[name].score(test, c.subset) for name in (c.model, c.against))
        where = "" if c.subset == "all" else f", {c.subset} mentions"
        verb = "has a mean reciprocal rank of" if test == EDGES else "links"
        yield (
            f"On {test}{where}, {c.model} ({c.encodings[0]}) {verb} {interval(ours)}"
            f"{'' if test == EDGES else ' right'}, {c.against} ({c.encodings[1]}) "
            f"{interval(theirs)}: {_verdict(c)}."
        )


def _alone(report: StudyReport) -> Iterator[str]:
    """Speak of mentions in context, where alignment works."""
    found = [
        c for c in report.of("encoding", subset="all") if c.encodings == ("context", "context")
    ]
    if found:
        gains = "; ".join(f"{c.test} {_points(c)}" for c in found)
        yield f"In context alone, {found[0].model} gains over {found[0].against}: {gains}."


def _named(report: StudyReport) -> Iterator[str]:
    """Say what the main model is worth beside each named one that is no control."""
    for model in _models(report, "named"):
        found = list(report.of("change", model=model.name, subset="all"))
        said = {
            f"better than {model.name}": [c for c in found if _sure(c) and c.difference.value < 0],
            f"worse than {model.name}": [c for c in found if _sure(c) and c.difference.value > 0],
            f"not to be told from {model.name}": [c for c in found if not _sure(c)],
        }
        parts = [f"{word} on {_and([c.test for c in some])}" for word, some in said.items() if some]
        if report.main and parts:
            yield f"{report.main.name.capitalize()} is {'; '.join(parts)}."


def _variants(report: StudyReport) -> Iterator[str]:
    names = [model.name for model in _models(report, "variant")]
    found = [c for name in names for c in report.of("change", model=name, subset="all")]
    sure = [c for c in found if _sure(c)]
    for c in sorted(sure, key=lambda c: c.difference.value):
        yield f"{c.model.capitalize()} instead: {_points(c)} on {c.test}."
    if rest := [name for name in names if name not in {c.model for c in sure}]:
        yield f"No difference that these data can show: {_and(rest)}."


def _controls(report: StudyReport) -> Iterator[str]:
    for model in report.models:
        found = list(report.of("control", model=model.name, subset="all"))
        for c in found:
            if not failed_as_it_must(c):
                yield (
                    f"CONTROL DID NOT FAIL: {c.model} gains {_points(c)} over {c.against} on "
                    f"{c.test} (p {c.difference.p:.2g}). What {c.model} has lost does not explain "
                    "the gains reported here."
                )
        if found and all(map(failed_as_it_must, found)):
            most = max(found, key=lambda c: c.difference.value)
            yield (
                f"Control {model.name} failed, as it must: it is not better than "
                f"{most.against} on {_and([c.test for c in found])} (at most {_points(most)}, on "
                f"{most.test})."
            )


def _verdict(comparison: Comparison) -> str:
    p = f"p {comparison.corrected:.2g} corrected"
    if not _sure(comparison):
        return f"a difference of {_points(comparison)}, which may be chance ({p})"
    word = "a gain" if comparison.difference.value > 0 else "A LOSS"
    return f"{word} of {_points(comparison)} ({p})"


def _sure(comparison: Comparison) -> bool:
    """Whether a difference is more than chance, by its corrected p and by its interval.

    The p is over documents, the interval over seeds, too.
    """
    found = comparison.difference
    return comparison.corrected < LEVEL and not found.low <= 0 <= found.high


def _points(comparison: Comparison) -> str:
    d = comparison.difference
    return f"{100 * d.value:+.1f} points ({100 * d.low:+.1f} to {100 * d.high:+.1f})"


def _models(report: StudyReport, role: str) -> list[ModelResult]:
    """Return the models of a role that are no controls."""
    return [model for model in report.models if model.role == role and not model.against]


def _and(words: list[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else words[0]
