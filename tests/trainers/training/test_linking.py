"""Linking accuracy during training, against vectors that were compared one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bali_trainers.batches.spec import LinkingTask
from bali_trainers.inference.embedding import NameEncoder
from bali_trainers.models.bases import word_pieces
from bali_trainers.models.text import load_text_encoder
from bali_trainers.training.linking import LinkingProbe


def test_accuracy_is_that_of_the_nearest_names(tiny_model: Callable[..., Path]) -> None:
    words = np.random.default_rng(0).integers(1, 40, (60, 3))
    names = [f"w{a} w{b} w{c}" for a, b, c in words.tolist()]
    concepts = {f"C{n:02d}": tuple(names[2 * n : 2 * n + 2]) for n in range(20)}
    mentions = {name: (f"C{n:02d}",) for n, name in enumerate(names[40:])}
    model = str(tiny_model())
    probe = LinkingProbe(
        LinkingTask(concepts=concepts, mentions=mentions),
        load_text_encoder(model).eval(),
        word_pieces(model),
        32,
    )
    encoder = NameEncoder(model)

    def vectors(texts: list[str]) -> np.ndarray:
        found = encoder.encode(texts)
        return np.asarray(found.vectors[found.row])

    right = 0
    for mention, (wanted,) in mentions.items():
        near = {
            cui: (vectors(list(own)) @ vectors([mention])[0]).max() for cui, own in concepts.items()
        }
        right += max(near, key=near.__getitem__) == wanted
    assert 0 < right < len(mentions)
    assert probe() == {"linking/acc@1": pytest.approx(right / len(mentions))}


def test_of_concepts_with_one_name_one_is_picked_blindly(tiny_model: Callable[..., Path]) -> None:
    model = str(tiny_model())
    task = LinkingTask(
        concepts={"C1": ("w1 w2",), "C2": ("w1 w2", "w3")},
        mentions={"w1 w2": ("C1",), "w3": ("C2",)},
    )
    probe = LinkingProbe(task, load_text_encoder(model).eval(), word_pieces(model), 32)
    assert probe() == {"linking/acc@1": pytest.approx(0.75)}
