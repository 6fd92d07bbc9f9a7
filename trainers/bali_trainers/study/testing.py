"""How a worker tests one model of a study, and what it is given for that."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from bali_platform.base.files import write_atomically
from bali_platform.base.settings import Settings
from bali_platform.services.artefacts import SCHEME, files_of, open_store
from bali_platform.text.corpus import open_corpus
from bali_trainers.inference.embedding import Setup
from bali_trainers.study.config import StudyConfig
from bali_trainers.study.outcomes import Scores
from bali_trainers.study.questions import read_tasks
from bali_trainers.training.submission import find_corpus


class Answers(NamedTuple):
    """How a model scored, and the processor time of that, in seconds."""

    scores: Scores
    cpu_s: float


def ask_for_tests(study: StudyConfig, path: Path, settings: Settings) -> None:
    """Write a study to ``path`` as any worker can read it.

    Its corpora are named by their digests in the store, which gets them, or by their whole paths.
    """
    store = open_store(settings)

    def place(name: str | None) -> str:
        folder = find_corpus(name, settings).resolve()
        if store is None:
            return str(folder)
        corpus = f"corpora/{open_corpus(folder).sha}"
        store.offer(corpus, files_of(folder))
        return f"{SCHEME}{corpus}/"

    data: dict[str, Any] = study.model_dump(mode="json", exclude_none=True)
    taught = data["training"]["data"]
    taught["corpus"] = place(taught.get("corpus"))
    for test in data["tests"].values():
        test |= {"corpus": place(test["corpus"]), "choose": place(test["choose"])}
    write_atomically(path, json.dumps(data))


def run_tests(asked: Path, source: str, output: Path, settings: Settings) -> None:
    """Put the questions of a study that :func:`ask_for_tests` wrote to a model; keep its scores."""
    study = StudyConfig.model_validate_json(asked.read_bytes())
    tasks = read_tasks(study, settings)
    busy = time.process_time()
    setup = Setup(study.arithmetic, cache=settings.home / "cache" / "vectors")
    scores = tasks.ask(source, study.encodings, setup)
    listed = {"/".join(place): values.tolist() for place, values in scores.items()}
    found = {"cpu_s": time.process_time() - busy, "scores": listed}
    write_atomically(output, json.dumps(found))


def read_answers(path: Path) -> Answers:
    """Read what :func:`run_tests` wrote."""
    found = json.loads(path.read_bytes())
    scores = {tuple(place.split("/")): np.array(v) for place, v in found["scores"].items()}
    return Answers(cast(Scores, scores), found["cpu_s"])
