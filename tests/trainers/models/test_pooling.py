from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bali_trainers.models.pooling import MentionPooling

KINDS = ["mean", "first", "max", "attention"]


def naive(kind, states, offsets, query):
    rows = []
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        own = [states[i] for i in range(start, end)]
        if kind == "mean":
            rows.append(sum(own) / len(own))
        elif kind == "first":
            rows.append(own[0])
        elif kind == "max":
            rows.append(torch.stack([max(values) for values in zip(*own, strict=True)]))
        else:
            weights = [torch.exp(state @ query) for state in own]
            rows.append(sum(w * s for w, s in zip(weights, own, strict=True)) / sum(weights))
    return torch.stack(rows)


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 1000),
)
def test_pooling_equals_a_loop(sizes, kind, seed):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(sum(sizes), 4, generator=generator, dtype=torch.float64)
    offsets = torch.tensor([0, *torch.tensor(sizes).cumsum(0).tolist()])
    pooling = MentionPooling(kind, 4).double()
    query = torch.randn(4, generator=generator, dtype=torch.float64)
    if kind == "attention":
        pooling.query.data.copy_(query)
    pooled = pooling(states, offsets)
    torch.testing.assert_close(pooled, naive(kind, states, offsets, query))
    assert (pooled.abs().sum(1) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_mention_receives_a_gradient(kind):
    torch.manual_seed(0)
    states = torch.randn(9, 4, requires_grad=True)
    offsets = torch.tensor([0, 3, 4, 9])
    MentionPooling(kind, 4)(states, offsets).square().sum().backward()
    reached = states.grad.abs().sum(1) > 0
    assert all(reached[a:b].any() for a, b in [(0, 3), (3, 4), (4, 9)])


def test_attention_starts_as_the_mean():
    states, offsets = torch.randn(6, 3), torch.tensor([0, 2, 6])
    expected = MentionPooling("mean", 3)(states, offsets)
    torch.testing.assert_close(MentionPooling("attention", 3)(states, offsets), expected)


def test_large_attention_scores_stay_finite():
    pooling = MentionPooling("attention", 2)
    pooling.query.data.fill_(1e4)
    pooled = pooling(torch.tensor([[1.0, 1.0], [-1.0, 1.0]]), torch.tensor([0, 2]))
    torch.testing.assert_close(pooled, torch.ones(1, 2))
