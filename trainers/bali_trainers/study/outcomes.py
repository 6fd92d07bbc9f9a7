"""What a study has found so far, in files that are named by what they are about.

A study's folder holds ``plan.json`` (:class:`Plan`) and, for each run that is over,
``outcomes/KEY`` (:class:`Outcome`): the key is a digest of everything that the outcome depends on.
Files are written whole or not at all, the description last, so that what exists need not be made
again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file, write_atomically
from bali_platform.streaming import decode, encode
from bali_trainers.evaluation.metrics import Clusters, Values
from bali_trainers.evaluation.report import Asked
from bali_trainers.study.config import StudyConfig

Part = Literal["test", "choose"]
"""What a corpus is for."""

Encoding = Literal["name", "context", "mixed", "graph", "alone"]
"""How a mention was encoded; or, of a concept, what was read: its name, its graph, or it alone."""

Scores = dict[tuple[str, Part, Encoding, str], Values]
"""Scores of all mentions, [M], by test, part, encoding and metric."""


@dataclass(frozen=True)
class Group:
    """The mentions of a corpus: the document of each, [M], and which belong to each subset.

    Macro averages are over ``kinds``, [M], of mentions the concepts; edges have none.
    """

    document: Clusters
    subsets: dict[str, NDArray[np.bool_]]
    kinds: Clusters | None = None

    def asked(self, chosen: NDArray[np.bool_]) -> Asked:
        """Return some of the mentions, [M], as those of a task are asked."""
        return Asked.of(chosen, self.document, self.kinds)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Questions(_Record):
    """A corpus as the report needs it.

    Attributes:
        corpus: Its name and digest.
        documents: How many documents its mentions are in.
        mentions: How many there are.
        subsets: How many are in each subset.
        unknown: Mentions left out because the graph lacks their concepts.
    """

    corpus: str
    documents: int
    mentions: int
    subsets: dict[str, int] = {}
    unknown: int = 0


class PlannedRun(_Record):
    """A run of a model; ``seed`` is None for one that is taken as it is."""

    model: str
    seed: int | None
    key: str


class Plan(_Record):
    """Everything that a report needs beside the outcomes.

    ``dictionary`` is the digest of all names, ``training`` the training corpus and its digest.
    """

    study: StudyConfig
    graph_version: str
    code_version: str
    concepts: int
    names: int
    dictionary: str
    training: str
    machine: dict[str, Any]
    tests: dict[str, dict[Part, Questions]]
    runs: tuple[PlannedRun, ...]


class Outcome(_Record):
    """How a run went; its scores lie beside it.

    Attributes:
        steps: Optimiser steps; 0 for a model taken as it is.
        cpu_s: Processor time of its training.
        test_cpu_s: Processor time of its tests.
        curve: The losses it reported, with ``step``.
        job: The id of the job that trained it.
    """

    steps: int = 0
    cpu_s: float = 0.0
    test_cpu_s: float = 0.0
    curve: tuple[dict[str, float], ...] = ()
    job: str = ""


class StudyFolder:
    """The files of one study."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write_plan(self, plan: Plan, groups: dict[tuple[str, Part], Group]) -> None:
        """Keep the plan, and what mentions belong together, by test and part."""
        arrays: dict[str, NDArray[Any]] = {}
        for place, group in groups.items():
            arrays["/".join((*place, "document"))] = group.document
            if group.kinds is not None:
                arrays["/".join((*place, "kinds"))] = group.kinds
            arrays |= {"/".join((*place, name)): mask for name, mask in group.subsets.items()}
        _write_arrays(self.path / "mentions.safetensors", arrays)
        write_atomically(self.path / "plan.json", plan.model_dump_json(indent=2))

    def plan(self) -> Plan:
        """Read the plan; raises :class:`BaliError` where the study was never started."""
        try:
            return Plan.model_validate_json((self.path / "plan.json").read_bytes())
        except FileNotFoundError:
            raise BaliError(
                f"{self.path} holds no study yet: start it with `bali study run`"
            ) from None
        except ValidationError as error:
            raise BaliError(
                f"{self.path / 'plan.json'} is damaged, or of another version: run the study again "
                f"({error.errors()[0]['msg']})"
            ) from None

    def group(self, test: str, part: Part) -> Group:
        """Read what mentions of a corpus belong together."""
        start = f"{test}/{part}/"
        arrays = {
            place.removeprefix(start): array
            for place, array in decode((self.path / "mentions.safetensors").read_bytes()).items()
            if place.startswith(start)
        }
        return Group(arrays.pop("document"), kinds=arrays.pop("kinds", None), subsets=arrays)

    def write(self, key: str, outcome: Outcome, scores: Scores) -> None:
        """Keep an outcome."""
        arrays = {"/".join(place): v.astype(np.float32) for place, v in scores.items()}
        _write_arrays(self._scores(key), arrays)
        write_atomically(self._outcome(key), outcome.model_dump_json())

    def has(self, key: str) -> bool:
        """Whether an outcome is there."""
        return self._outcome(key).exists()

    def outcome(self, key: str) -> Outcome:
        """Read an outcome."""
        return Outcome.model_validate_json(self._outcome(key).read_bytes())

    def scores(self, key: str) -> dict[str, Values]:
        """Read its scores, by ``test/part/encoding/metric``."""
        arrays = decode(self._scores(key).read_bytes())
        return {place: values.astype(float) for place, values in arrays.items()}

    def finished(self, plan: Plan) -> Iterator[PlannedRun]:
        """Yield the planned runs whose outcome is there."""
        return (run for run in plan.runs if self.has(run.key))

    def _outcome(self, key: str) -> Path:
        return self.path / "outcomes" / f"{key}.json"

    def _scores(self, key: str) -> Path:
        return self.path / "outcomes" / f"{key}.safetensors"


def content_key(*content: Any) -> str:
    """Return the digest of JSON values."""
    text = json.dumps(content, sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=12).hexdigest()


def _write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with new_file(path) as building:
        building.write_bytes(encode(arrays))
