from __future__ import annotations

import math

import pytest
import torch

from bali_platform.streaming import BatchKey
from bali_trainers.batches.batch import Batch
from bali_trainers.training.loop import Plan, learning_rate_factor
from bali_trainers.training.meter import Meter, peak_flops


def test_the_learning_rate_rises_over_a_tenth_and_falls_as_a_cosine():
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert factors[10] == 1
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))


def test_the_warm_up_is_ten_thousand_steps_at_most():
    assert learning_rate_factor(9_999, 1_000_000, 0.1) == 1
    assert learning_rate_factor(4_999, 1_000_000, 0.1) == 0.5


def test_without_warm_up_the_first_step_is_whole():
    assert learning_rate_factor(0, 10, 0.0) == 1


@pytest.mark.parametrize(
    ("plan", "steps"),
    [
        (Plan(batches_per_epoch=7), 7),
        (Plan(batches_per_epoch=7, epochs=3), 21),
        (Plan(batches_per_epoch=7, epochs=3, accumulation=2), 10),
        (Plan(batches_per_epoch=7, max_steps=40), 40),
    ],
)
def test_a_plan_has_as_many_steps_as_its_batches_fill(plan, steps):
    assert plan.steps == steps
    assert len(list(plan.keys(0))) == steps * plan.accumulation


def test_batches_go_on_where_the_steps_ended():
    plan = Plan(batches_per_epoch=4, epochs=2, accumulation=3)
    every = list(plan.keys(0))
    assert every == [
        BatchKey(0, 0),
        BatchKey(0, 1),
        BatchKey(0, 2),
        BatchKey(0, 3),
        BatchKey(1, 0),
        BatchKey(1, 1),
    ]
    assert list(plan.keys(1)) == every[3:]
    assert list(plan.keys(2)) == []


def test_a_meter_counts_tokens_padding_and_lost_mentions(make_arrays):
    meter = Meter(torch.device("cpu"))
    arrays = [make_arrays(seed) for seed in range(3)]
    for number, one in enumerate(arrays):
        meter.add(Batch.from_arrays(one), {"loss": torch.tensor(float(number))})
    values = meter.read(0.0)
    masks = [one[name] for one in arrays for name in ("attention_mask", "name_attention_mask")]
    real, slots = sum(int(m.sum()) for m in masks), sum(m.size for m in masks)
    assert values["padding"] == pytest.approx(1 - real / slots)
    assert values["loss"] == 1
    assert values["lost_mentions"] == 3
    assert values["tokens_s"] / values["sentences_s"] == pytest.approx(real / 12)
    assert "mfu" not in values


def test_a_meter_starts_anew_after_each_reading(make_arrays):
    meter = Meter(torch.device("cpu"), weights=10, peak=1e3)
    batch = Batch.from_arrays(make_arrays())
    meter.add(batch, {"loss": torch.tensor(1.0)})
    meter.read(2.0)
    meter.add(batch, {"loss": torch.tensor(5.0)})
    values = meter.read(2.0)
    assert (values["loss"], values["data_wait"]) == (5, 0)
    assert values["mfu"] == pytest.approx(6 * 10 * values["tokens_s"] / 1e3)


def test_peaks_are_known_by_the_name_of_the_device():
    assert peak_flops("NVIDIA H100 80GB HBM3", "bf16") == 989e12
    assert peak_flops("NVIDIA L4", "fp16") == 121e12
    assert peak_flops("NVIDIA H100 80GB HBM3", "fp32") is None
    assert peak_flops("", "bf16") is None
