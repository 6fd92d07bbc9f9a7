"""What all models of a study are asked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np

from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings
from bali_platform.graph.client import Graph
from bali_platform.subgraphs import neighbourhoods
from bali_platform.text.corpus import open_corpus
from bali_trainers.evaluation import (
    EdgeTask,
    Encoding,
    KnownNames,
    MentionTask,
    View,
    build_edge_task,
    build_mention_task,
    evaluate_links,
    evaluate_mentions,
    lowered,
    read_names,
    require_apart,
)
from bali_trainers.evaluation.encoders import TF_IDF
from bali_trainers.inference.embedding import Setup
from bali_trainers.study.config import EDGES, StudyConfig
from bali_trainers.study.outcomes import Group, Part, Questions, Scores
from bali_trainers.training.submission import find_corpus

_TYPES_APART = 3  # of edges, the commonest, that have scores of their own


@dataclass(frozen=True)
class Tasks:
    """All tests of a study.

    Attributes:
        graph_version: The graph that names are from.
        known: Its names.
        training: The corpus that models are trained on, and its digest.
        mentions: What is asked of each corpus, by test and part.
        corpora: The digest of each corpus.
        edges: Edges that training withheld, if they are asked for.
    """

    graph_version: str
    known: KnownNames
    training: str
    mentions: dict[tuple[str, Part], MentionTask]
    corpora: tuple[str, ...]
    edges: EdgeTask | None

    def described(self) -> dict[str, dict[Part, Questions]]:
        """Describe every corpus, by test and part."""
        tests: dict[str, dict[Part, Questions]] = {}
        for (name, part), task in self.mentions.items():
            tests.setdefault(name, {})[part] = Questions(
                corpus=task.corpus,
                documents=int(task.document.max()) + 1,
                mentions=len(task.gold),
                subsets={name: int(mask.sum()) for name, mask in task.chosen.items()},
                unknown=task.unknown,
            )
        if self.edges:
            pairs = self.edges.clusters
            tests[EDGES] = {
                "test": Questions(
                    corpus=f"{len(self.edges.cuis):,} concepts of graph {self.graph_version}",
                    documents=int(pairs.max()) + 1,
                    mentions=len(pairs),
                )
            }
        return tests

    def groups(self) -> dict[tuple[str, Part], Group]:
        """Return which mentions belong together."""
        groups = {
            place: Group(task.document, task.subsets, task.kinds)
            for place, task in self.mentions.items()
        }
        if self.edges:
            pairs = self.edges.clusters
            common = islice(self.edges.of_relation().items(), _TYPES_APART)
            subsets = {"all": np.ones(len(pairs), dtype=bool), **dict(common)}
            groups[EDGES, "test"] = Group(pairs, subsets)
        return groups

    def ask(self, source: str, encodings: tuple[Encoding, ...], setup: Setup) -> Scores:
        """Return how a model scores at every mention."""
        wanted: tuple[Encoding, ...] = ("name",) if source == TF_IDF else encodings
        found = evaluate_mentions(source, list(self.mentions.values()), wanted, setup)
        scores: Scores = {
            (*place, encoding, metric): values
            for place, outcomes in zip(self.mentions, found, strict=True)
            for encoding, outcome in zip(wanted, outcomes, strict=True)
            for metric, values in outcome.scores.items()
        }
        if self.edges and source != TF_IDF:
            for outcome in evaluate_links(source, self.edges, setup):
                for metric, values in outcome.scores.items():
                    scores[EDGES, "test", cast(View, outcome.view), metric] = values
        return scores


def read_tasks(study: StudyConfig, settings: Settings) -> Tasks:
    """Build all tasks; documents that training or the choice of an encoding sees are refused."""
    training = find_corpus(study.training.get("data", {}).get("corpus"), settings)
    with Graph.connect(settings) as graph:
        version = graph.version
        known = read_names(lowered(graph.names()) if study.published else graph.names())
    mentions: dict[tuple[str, Part], MentionTask] = {}
    corpora = []
    for name, test in study.tests.items():
        tested, chosen = (find_corpus(c, settings) for c in (test.corpus, test.choose))
        require_apart(tested, [training, chosen])
        require_apart(chosen, [training])
        parts: dict[Part, Path] = {"test": tested, "choose": chosen}
        for part, corpus in parts.items():
            info = open_corpus(corpus)
            if info.graph_version != version:
                raise BaliError(
                    f"{corpus} was linked with graph {info.graph_version}, but {version} is live: "
                    "import it again with `bali corpus import`"
                )
            mentions[name, part] = build_mention_task(
                known,
                corpus,
                training=[training],
                documents=study.choose_documents if part == "choose" else None,
                published=study.published,
            )
            corpora.append(info.sha)
    edges = None
    if asked := study.edges:
        edges = build_edge_task(
            known.table.cuis,
            neighbourhoods(settings),
            withheld=asked.withheld,
            limit=asked.asked,
            candidates=asked.candidates,
        )
    taught = open_corpus(training)
    return Tasks(version, known, f"{taught.name} ({taught.sha})", mentions, tuple(corpora), edges)
