"""Mentions read as their texts are read alone."""

from __future__ import annotations

import pytest
import torch

from bali_trainers.batches.batch import Batch
from bali_trainers.models.views import Views
from bali_trainers.objectives.reading import MentionText
from bali_trainers.training.config import parse_config
from bali_trainers.training.joint_model import build_task


@pytest.fixture
def arrays(make_arrays):
    return make_arrays(sentences=6)


@pytest.fixture
def views(settings_text, arrays):
    task = build_task(parse_config(settings_text(), "test"), 3).eval()
    return Views(Batch.from_arrays(arrays), task.text, task.pooling, task.graph)


def test_mention_text_is_the_mean_distance_from_what_mentions_are_called(views, arrays):
    ids = torch.tensor(arrays["name_input_ids"]).long()
    mask = torch.tensor(arrays["name_attention_mask"]).long()
    distances = []
    for mention, name in zip(views.mentions, arrays["mention_name"].tolist(), strict=True):
        states = views.text(ids[name][None], mask[name][None])[0]
        alone = states[mask[name].bool()].mean(0)
        distances.append(1 - mention @ alone / (mention.norm() * alone.norm()))
    outcome = MentionText(1.0)(views)
    torch.testing.assert_close(outcome.loss, torch.stack(distances).mean())
    torch.testing.assert_close(outcome.metrics["loss"], outcome.loss.detach())


def test_only_mentions_move_towards_their_texts(views):
    views.mentions.retain_grad()
    views.names.retain_grad()
    MentionText(1.0)(views).loss.backward()
    assert views.names.grad is None
    assert (views.mentions.grad.norm(dim=1) > 0).all()
