"""A study whose outcomes are made up, so that what a report must say of them is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bali_trainers.study import StudyConfig, StudyFolder, StudyReport, expand, report_study
from bali_trainers.study.config import EDGES
from bali_trainers.study.outcomes import Group, Outcome, Plan, PlannedRun, Questions

DOCUMENTS, EACH = 20, 10
ENCODINGS = ("name", "context")
METRICS = ("acc@1", "acc@1 expected", "acc@5", "mrr")

# Of the mentions, how many each model links right on the test, by encoding; and to choose on.
SKILL = {
    "untouched": {"name": (0.5, 0.6), "context": (0.3, 0.4)},
    "tf-idf": {"name": (0.4, 0.4)},
    "aligned": {"name": (0.5, 0.5), "context": (0.8, 0.7)},
    "neighbours 0": {"name": (0.5, 0.5), "context": (0.6, 0.7)},
    "hops 2": {"name": (0.5, 0.5), "context": (0.8, 0.7)},
    "graph shuffled": {"name": (0.5, 0.5), "context": (0.6, 0.7)},
    "names only": {"name": (0.6, 0.6), "context": (0.2, 0.1)},
    "links shuffled": {"name": (0.9, 0.7), "context": (0.2, 0.1)},
}
# Of the ends of edges, how many each model finds first by its graph encoder; by name, two in ten.
FOUND = {"aligned": 0.6, "neighbours 0": 0.3, "hops 2": 0.6, "graph shuffled": 0.3}
STUDY = StudyConfig(
    name="made-up",
    seeds=(1, 2),
    training={
        "data": {"corpus": "notes", "withheld_edges": 0.1},
        "graph_encoder": {"kind": "mean"},
    },
    grid={"neighbours": [3, 0], "hops": [1, 2], "graph": ["real", "shuffled"]},
    objectives={"names": {"name_name": {}}},
    models={"names only": {"objectives": "names"}, "links shuffled": {"links": "shuffled"}},
    controls={"graph shuffled": "neighbours 0", "links shuffled": "names only"},
    tests={"notes": {"corpus": "t", "choose": "c"}},
    edges={"withheld": 0.1},
    encodings=ENCODINGS,
)


def scores(share: float, seed: int) -> dict[str, Any]:
    """Score the first mentions of every document right; a seed moves one mention in all."""
    hits = np.tile(np.arange(EACH) < round(share * EACH), DOCUMENTS).astype(float)
    hits[0] += 0 if hits[0] else seed - 1
    return dict.fromkeys(METRICS, hits)


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., StudyFolder]:
    def make(leave_out: tuple[str, ...] = (), skill: Any = SKILL) -> StudyFolder:
        folder = StudyFolder(tmp_path_factory.mktemp("made-up"))
        document = np.repeat(np.arange(DOCUMENTS), EACH)
        unmatched = document % 2 == 0
        every = np.ones(len(document), dtype=bool)
        subsets = {"all": every, "unmatched": unmatched, "refined": unmatched}
        group = Group(document, subsets, kinds=document // 2)
        runs = [
            PlannedRun(model=m.name, seed=seed, key=f"{m.name}-{seed}".replace(" ", "-"))
            for m in expand(STUDY)
            for seed in ((None,) if m.source else STUDY.seeds)
        ]
        asked = Questions(
            corpus="notes (1a2b)",
            documents=20,
            mentions=200,
            unknown=3,
            subsets={"unmatched": 100, "refined": 100},
        )
        edges = Questions(corpus="30 concepts of graph g1", documents=20, mentions=200)
        plan = Plan(
            study=STUDY,
            graph_version="g1",
            code_version="0.1",
            concepts=10,
            dictionary="d",
            training="notes (t)",
            machine={"cpu": "abacus", "cores": 2},
            names=20,
            tests={"notes": {"test": asked, "choose": asked}, EDGES: {"test": edges}},
            runs=tuple(runs),
        )
        groups = {("notes", "test"): group, ("notes", "choose"): group}
        about_edges = Group(document, {"all": every, "ISA": unmatched})
        folder.write_plan(plan, {**groups, (EDGES, "test"): about_edges})
        for run in runs:
            if run.key in leave_out:
                continue
            shares = skill[run.model]
            arrays = {
                ("notes", part, encoding, metric): values
                for encoding, both in shares.items()
                for part, share in zip(("test", "choose"), both, strict=True)
                for metric, values in scores(share, run.seed or 1).items()
            }
            if run.model != "tf-idf":
                views = {"name": 0.2} | ({"graph": FOUND.get(run.model, 0.2)} if run.seed else {})
                for view, share in views.items():
                    for metric in ("mrr", "hits@1", "hits@10"):
                        arrays[EDGES, "test", view, metric] = scores(share, 1)["mrr"]
            curve = tuple({"step": s, "alignment/loss": 3 / s + (run.seed or 0)} for s in (1, 2, 4))
            trained = {"steps": 4, "cpu_s": 60.0 * run.seed, "curve": curve} if run.seed else {}
            folder.write(run.key, Outcome(**trained), arrays)
        return folder

    return make


@pytest.fixture(scope="session")
def report(made_up: Callable[..., StudyFolder]) -> StudyReport:
    return report_study(made_up())
