"""Fine-tuning: a language model trained end to end for a task, with several seeds and folds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bali_platform import __version__
from bali_platform.base.errors import BaliError
from bali_platform.base.files import write_atomically
from bali_trainers.evaluation.agreement import count_classes, micro_f1
from bali_trainers.evaluation.classification import (
    ClassificationTask,
    Classified,
    Fold,
    document_hash,
)
from bali_trainers.evaluation.classifier import Classifier, Row, read_rows
from bali_trainers.evaluation.report import Scored
from bali_trainers.inference.embedding import PLAIN, Setup, model_digest
from bali_trainers.inference.precision import settle_device, settle_precision
from bali_trainers.models.adapting import freeze_layers
from bali_trainers.models.bases import name_pooling, word_pieces
from bali_trainers.models.text import load_text_encoder

Indices = NDArray[np.int64]

_BATCH = 16
_DEV_SHARE = 10  # one document in so many chooses the epoch
_PATIENCE = 4  # epochs without a better one
_WARM_UP = 0.1
_DECAY = 0.01
_POOLED = 16  # batches whose examples are sorted by length together


@dataclass(frozen=True)
class Recipe:
    """How a model is fine-tuned.

    Attributes:
        seeds: How often in each fold: with seeds 1, 2 and so on.
        epochs: At most so many; the best by the dev part is kept, and four worse ones end it.
        learning_rate: Its peak, after a tenth of the steps; then it falls to zero in a line.
        max_length: Texts are cut to so many word pieces.
        frozen_layers: So many layers, and the embeddings, stay as they are; 0 trains everything.
    """

    seeds: int = 3
    epochs: int = 20
    learning_rate: float = 2e-5
    max_length: int = 512
    frozen_layers: int = 0


def evaluate_fine_tuned(
    model: str, task: ClassificationTask, recipe: Recipe, setup: Setup = PLAIN
) -> list[Classified | Scored]:
    """Fine-tune copies of a model on every fold with every seed, and test each.

    Of options, the outcome is whether each question's was found, ``accuracy``. What is trained is
    kept in ``fine-tuned`` beside the setup's cache, so that a call that was killed goes on. On a
    CPU, the same seed, threads and precision give the same bits.
    """
    tuner = _Tuner(model, task, recipe, setup)
    runs = [(seed, fold) for seed in range(1, recipe.seeds + 1) for fold in range(len(task.folds))]
    predicted = np.full((recipe.seeds, len(task.examples)), -1)
    epochs: dict[str, int] = {}
    with setup.reporter.step(f"fine-tune {model}", len(runs)) as step:
        for seed, fold in runs:
            found = tuner.run(fold, seed)
            predicted[seed - 1, task.folds[fold].test] = found["predicted"]
            epochs[f"fold {fold + 1}, seed {seed}"] = found["epoch"]
            step.advance()
    return [_outcome(model, task, predicted[:, task.tested], epochs)]


def _outcome(
    model: str, task: ClassificationTask, predicted: Indices, epochs: dict[str, int]
) -> Classified | Scored:
    wanted = task.labels[task.tested]
    right = (predicted == wanted).astype(float)
    notes = {"epochs": epochs, "accuracy by seed": right.mean(axis=1).round(4).tolist()}
    if task.examples[0].options:
        return Scored(model=model, notes=notes, scores={"accuracy": right})
    return Classified(
        model=model,
        notes=notes,
        predicted=predicted,
        wanted=wanted,
        classes=len(task.classes),
        negative=task.nothing,
    )


class _Tuner:
    """What all runs of a model on a task share."""

    def __init__(self, model: str, task: ClassificationTask, recipe: Recipe, setup: Setup) -> None:
        self._model, self._task, self._recipe = model, task, recipe
        self._device = torch.device(settle_device(setup.device))
        self._precision = settle_precision(setup.precision, self._device.type)
        self._folder = setup.cache and setup.cache.with_name("fine-tuned")
        self._labels = task.labels
        pooling, text = name_pooling(model), load_text_encoder(model)
        length = min(recipe.max_length, text.positions)
        self._rows = read_rows(task.examples, word_pieces(model), pooling, length)
        self._content = self._digest(model_digest(text, pooling))

    def run(self, fold: int, seed: int) -> dict[str, Any]:
        """Return the ``predicted`` classes of a fold's test part, and the best ``epoch``."""
        part = self._task.folds[fold]
        key = blake2b(self._content.encode() + b"%d" % seed, digest_size=16)
        key.update(part.train.tobytes() + b"|" + part.test.tobytes())
        file = self._folder and self._folder / f"{key.hexdigest()}.json"
        if file and file.exists():
            return cast(dict[str, Any], json.loads(file.read_text(encoding="utf-8")))
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            found = self._train(part, np.random.Generator(np.random.Philox([seed, fold])))
        if file:
            write_atomically(file, json.dumps(found))
        return found

    def _digest(self, weights: str) -> str:
        """Return the digest of what all runs depend on: the texts as they are read, too."""
        recipe = asdict(replace(self._recipe, seeds=0))
        told = (weights, recipe, self._precision, self._device.type, __version__)
        digest = blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16)
        digest.update(self._labels.tobytes())
        for row in (row for rows in self._rows for row in rows):
            digest.update(repr((row.ids, row.segments)).encode() + row.readings.tobytes())
        return digest.hexdigest()

    def _train(self, fold: Fold, random: np.random.Generator) -> dict[str, Any]:
        train, dev = self._dev_part(fold.train)
        classifier = self._classifier()
        steps = -(-len(train) // _BATCH) * self._recipe.epochs
        optimiser, schedule = _optimiser(classifier, self._recipe.learning_rate, steps)
        best, kept, epoch = (-1.0, -np.inf), classifier.state_dict(), 0
        for now in range(1, self._recipe.epochs + 1):
            classifier.train()
            for batch in self._batches(train, random):
                loss = functional.cross_entropy(self._scores(classifier, batch), self._right(batch))
                loss.backward()
                nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
            reached = self._worth(classifier, dev)
            if reached > best:
                best, epoch = reached, now
                kept = {name: value.clone() for name, value in classifier.state_dict().items()}
            if now - epoch >= _PATIENCE:
                break
        classifier.load_state_dict(kept)
        predicted = self._answers(classifier, fold.test).argmax(dim=1)
        return {"predicted": predicted.tolist(), "epoch": epoch, "dev": best[0]}

    def _classifier(self) -> Classifier:
        text = load_text_encoder(self._model)
        if self._recipe.frozen_layers:
            freeze_layers(text, self._recipe.frozen_layers)
        row = self._rows[0][0]
        scores = 1 if self._task.examples[0].options else len(self._task.classes)
        return Classifier(text, len(row.readings), scores).to(self._device)

    def _dev_part(self, train: Indices) -> tuple[Indices, Indices]:
        """Set documents apart by hash, a tenth of them, to choose the epoch on."""
        hashes = np.array([document_hash(self._task.examples[n]) for n in train], dtype=np.uint64)
        documents = np.unique(hashes)
        if len(documents) < 2:
            raise BaliError(f"{self._task.about}: one document to learn from is too little")
        chosen = np.isin(hashes, documents[: max(1, len(documents) // _DEV_SHARE)])
        return train[~chosen], train[chosen]

    def _batches(self, examples: Indices, random: np.random.Generator) -> Iterator[Indices]:
        """Yield all examples in a new order, those of about one length together."""
        pools = _cut(random.permutation(examples), _BATCH * _POOLED)
        batches = [
            batch
            for pool in pools
            for batch in _cut(pool[np.argsort(self._lengths(pool), kind="stable")], _BATCH)
        ]
        for number in random.permutation(len(batches)):
            yield batches[number]

    def _lengths(self, examples: Indices) -> Indices:
        return np.array([max(len(row.ids) for row in self._rows[n]) for n in examples])

    def _scores(self, classifier: Classifier, batch: Indices) -> Tensor:
        """Return the scores of the classes, or options, of some examples, [B, classes]."""
        rows: list[Row] = [row for number in batch for row in self._rows[number]]
        bf16 = self._precision == "bf16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16):
            scores: Tensor = classifier(rows)
        return scores.float().reshape(len(batch), -1)

    def _right(self, batch: Indices) -> Tensor:
        return torch.from_numpy(self._labels[batch]).to(self._device)

    def _answers(self, classifier: Classifier, examples: Indices) -> Tensor:
        """Return the scores of all examples, in their order, [N, classes]."""
        classifier.eval()
        order = np.argsort(self._lengths(examples), kind="stable")
        with torch.inference_mode():
            found = torch.cat(
                [self._scores(classifier, batch).cpu() for batch in _cut(examples[order], _BATCH)]
            )
        return found[torch.from_numpy(np.argsort(order))]

    def _worth(self, classifier: Classifier, dev: Indices) -> tuple[float, float]:
        """Return micro-F1 on the dev part, and of equal ones the lesser loss is better."""
        scores, wanted = self._answers(classifier, dev), self._labels[dev]
        loss = functional.cross_entropy(scores, torch.from_numpy(wanted))
        alone = np.zeros(len(dev), dtype=np.int64)
        counts = count_classes(scores.argmax(1).numpy(), wanted, alone, len(self._task.classes))
        return micro_f1(counts, self._task.nothing), -float(loss)


def _cut(order: Indices, size: int) -> Sequence[Indices]:
    return [order[first : first + size] for first in range(0, len(order), size)]


def _optimiser(
    classifier: Classifier, rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """Return AdamW, and a schedule that rises for a tenth of the steps and falls to zero."""
    trained = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=_DECAY)
    rise = max(1, round(steps * _WARM_UP))
    return optimiser, torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / rise, (steps - step) / max(1, steps - rise))
    )
