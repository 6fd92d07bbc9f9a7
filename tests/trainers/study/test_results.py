"""What is reported of outcomes, against values worked out by hand and SciPy's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import permutation_test

from bali_platform.base.errors import BaliError
from bali_trainers.study import StudyFolder, StudyReport, report_study, summarise
from bali_trainers.study.comparison import measure
from bali_trainers.study.config import EDGES
from bali_trainers.study.grid import expand

MODELS = (
    *("untouched", "tf-idf", "aligned", "neighbours 0", "hops 2"),
    *("graph shuffled", "names only", "links shuffled"),
)
Made = Callable[..., StudyFolder]


def test_encodings_are_chosen_on_other_documents_than_the_test(report: StudyReport) -> None:
    best = {model.name: model.best["notes"] for model in report.models}
    assert best["untouched"] == "name"
    assert best["aligned"] == "context"
    assert best["names only"] == "name"
    by_name = {model.name: model for model in report.models}
    assert by_name["links shuffled"].score("notes", "all").value == pytest.approx(0.9)


def test_scores_are_means_over_seeds(report: StudyReport) -> None:
    by_name = {model.name: model for model in report.models}
    assert by_name["aligned"].score("notes", "all").value == pytest.approx(0.8)
    assert by_name["aligned"].runs == 2
    assert by_name["aligned"].cpu_minutes == 1.5
    assert by_name["untouched"].runs == 1
    assert by_name["untouched"].spread["notes"] is None
    assert by_name["aligned"].spread["notes"] == pytest.approx(0)
    assert set(by_name["tf-idf"].scores["notes"]) == {"name"}


def test_seeds_that_differ_are_averaged_and_their_spread_told(made_up: Made) -> None:
    low = {"name": (0.0, 0.0), "context": (0.0, 0.0)}
    report = report_study(made_up(skill=dict.fromkeys(MODELS, low)))
    (main,) = [model for model in report.models if model.name == "aligned"]
    # The second seed has one mention of 200 right, the first none.
    assert main.score("notes", "all").value == pytest.approx(0.5 / 200)
    assert main.spread["notes"] == pytest.approx(np.std([0, 1 / 200], ddof=1))
    (gain,) = report.of("gain", model="aligned", test="notes", subset="all")
    assert gain.difference.p == 1, "one document cannot show anything"


def test_every_comparison_is_there_once(report: StudyReport) -> None:
    pairs = {(c.kind, c.model, c.against) for c in report.comparisons}
    others = MODELS[1:]
    assert pairs == {
        *(("gain", name, "untouched") for name in others),
        *(("change", name, "aligned") for name in others[2:]),
        ("control", "graph shuffled", "neighbours 0"),
        ("control", "links shuffled", "names only"),
        ("encoding", "aligned", "untouched"),
    }
    on_notes, on_edges = (
        [c for c in report.comparisons if c.test == test] for test in ("notes", EDGES)
    )
    assert len(on_notes) == 3 * (7 + 5 + 2 + 2), "on all, unmatched and refined mentions"
    assert len(on_edges) == 6 + 5 + 1 + 1, "tf-idf knows no edges; by name, both are compared"
    assert len(report.comparisons) == len(on_notes) + len(on_edges)


def test_differences_are_paired_by_document(made_up: Made) -> None:
    folder = made_up()
    report = report_study(folder)
    plan = folder.plan()
    by_name = {one.model.name: one for one in measure(folder, plan, expand(plan.study))}
    group = folder.group("notes", "test")
    document, chosen = group.document, group.subsets["unmatched"]
    (found,) = report.of("control", model="links shuffled", subset="unmatched")
    one, other = (
        by_name[name].metrics("notes", "name")["acc@1"].mean(axis=0)
        for name in ("links shuffled", "names only")
    )
    assert found.difference.value == pytest.approx((one - other)[chosen].mean())
    assert found.difference.value == pytest.approx(0.3)
    sums = [np.bincount(document[chosen], weights=values[chosen])[::2] for values in (one, other)]
    expected = permutation_test(
        sums, lambda a, b: np.sum(a - b), permutation_type="samples", n_resamples=2000, rng=1
    )
    assert found.difference.p == pytest.approx(expected.pvalue, abs=2e-3)


def test_p_values_are_corrected_over_all_comparisons(report: StudyReport) -> None:
    family = sorted(report.comparisons, key=lambda c: c.difference.p)
    floor = 0.0
    for place, comparison in enumerate(family):
        floor = max(floor, min(1.0, comparison.difference.p * (len(family) - place)))
        assert comparison.corrected == pytest.approx(floor)


def test_the_summary_follows_from_the_numbers(report: StudyReport) -> None:
    said = summarise(report)
    text = "\n".join(said)
    assert "6 models were trained with 2 seeds each, a run in 1.5 minutes of processor time" in text
    assert "On notes, aligned (context) links 80.0% (80.0% to 80.0%) right" in text
    assert "untouched (name) 50.0% (50.0% to 50.0%): a gain of +30.0 points" in text
    assert "On notes, unmatched mentions, aligned" in text
    assert "In context alone, aligned gains over untouched: notes +50.0 points" in text
    alone = [model for model in report.models if model.name in {"untouched", "aligned"}]
    said_of_one = summarise(report.model_copy(update={"models": alone, "comparisons": []}))
    assert "1 model was trained with 2 seeds, a run in 1.5 minutes" in "\n".join(said_of_one)
    assert "On held-out edges, aligned (graph) has a mean reciprocal rank of 60.0% " in text
    assert "untouched (name) 20.0% (20.0% to 20.0%): a gain of +40.0 points" in text
    assert "Aligned is better than names only on notes and held-out edges." in said
    assert "Neighbours 0 instead: -20.0 points (-20.0 to -20.0) on notes." in said
    assert "Neighbours 0 instead: -30.0 points (-30.0 to -30.0) on held-out edges." in said
    assert "No difference that these data can show: hops 2." in said


def test_a_control_that_does_not_fail_is_named(report: StudyReport) -> None:
    said = summarise(report)
    assert [sentence for sentence in said if sentence.startswith("CONTROL DID NOT FAIL")] == [
        "CONTROL DID NOT FAIL: links shuffled gains +30.0 points (+30.0 to +30.0) over names only "
        "on notes (p 1e-05). What links shuffled has lost does not explain the gains reported "
        "here."
    ]
    assert (
        "Control graph shuffled failed, as it must: it is not better than neighbours 0 on notes "
        "and held-out edges (at most +0.0 points (+0.0 to +0.0), on notes)."
    ) in said


def test_shuffled_links_are_no_control_of_edges(report: StudyReport) -> None:
    judged = {(c.model, c.test) for c in report.of("control")}
    assert judged == {
        ("graph shuffled", "notes"),
        ("graph shuffled", EDGES),
        ("links shuffled", "notes"),
    }


def test_runs_that_are_missing_are_named(made_up: Made) -> None:
    folder = made_up(leave_out=("aligned-2", "hops-2-1", "hops-2-2", "untouched-None"))
    report = report_study(folder)
    assert report.missing == ["untouched", "aligned, seed 2", "hops 2, seed 1", "hops 2, seed 2"]
    assert [model.runs for model in report.models if model.name == "aligned"] == [1]
    assert not any(report.of("gain"))
    assert summarise(report)[0] == (
        "This report is not complete: 4 runs are missing (untouched; aligned, seed 2; hops 2, "
        "seed 1; hops 2, seed 2)."
    )


def test_nothing_to_report(made_up: Made, tmp_path: Any) -> None:
    with pytest.raises(BaliError, match="holds no study yet"):
        report_study(StudyFolder(tmp_path / "empty"))
    folder = made_up()
    for path in (folder.path / "outcomes").glob("*.json"):
        path.unlink()
    with pytest.raises(BaliError, match=r"no run of the study in .* is over yet"):
        report_study(folder)
    (folder.path / "plan.json").write_text('{"study": {}}')
    with pytest.raises(BaliError, match="is damaged, or of another version"):
        report_study(folder)
