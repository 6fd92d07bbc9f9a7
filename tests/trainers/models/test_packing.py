"""Packed texts have the states and gradients that they have apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bali_platform.base.errors import UsageError
from bali_trainers.batches.batch import Batch
from bali_trainers.batches.layout import Layout
from bali_trainers.models.packing import ROW, pack, require_packable
from bali_trainers.models.text import load_text_encoder
from bali_trainers.training.config import parse_config
from bali_trainers.training.joint_model import build_task

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30).map(sorted)


def mask_of(lengths: list[int]) -> np.ndarray:
    return (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.uint8)


@given(lengths=LENGTHS)
def test_every_token_has_a_place_of_its_own_beside_its_text(lengths):
    mask = mask_of(lengths)
    packing = pack(mask)
    token, text, column = (a.flatten() for a in (packing.token, packing.text, packing.column))
    for row, length in enumerate(lengths):
        places = packing.place[row, :length]
        assert (places.diff() == 1).all()
        assert places[0] // ROW == places[-1] // ROW
        assert text[places].tolist() == [row + 1] * length
        assert column[places].tolist() == list(range(length))
        assert token[places].tolist() == [row * mask.shape[1] + c for c in range(length)]
    assert int((text > 0).sum()) == sum(lengths)
    rows = len(packing.token)
    assert sum(lengths) <= rows * ROW
    assert rows == 1 or sum(lengths) > (rows - 1) * ROW / 2, "no two rows could be one"


@given(lengths=LENGTHS)
def test_rows_are_those_of_first_fit_longest_first(lengths):
    packing = pack(mask_of(lengths))
    width = packing.token.shape[1]
    free: list[int] = []
    for text in sorted(range(len(lengths)), key=lambda text: -lengths[text]):
        row = next((r for r, left in enumerate(free) if left >= lengths[text]), len(free))
        free += [width] if row == len(free) else []
        assert int(packing.place[text, 0]) == row * width + width - free[row]
        free[row] -= lengths[text]
    assert len(packing.token) == len(free)


def test_a_row_is_as_long_as_the_longest_text():
    assert pack(mask_of([3, 200])).token.shape == (2, 200)
    assert pack(mask_of([3, 190, 200])).token.shape == (2, 200)


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_states_and_gradients_are_those_of_padded_texts(tiny_model, family):
    options = {} if family == "modernbert" else {"max_position_embeddings": 64}
    text = load_text_encoder(str(tiny_model(family, **options))).eval()
    require_packable(text.model)
    lengths = [2, 3, 5, 9, 11, 17, 20, 30, 40, 41]
    mask = mask_of(lengths)
    ids = torch.randint(5, 100, mask.shape, generator=torch.Generator().manual_seed(1))
    ids = ids * torch.from_numpy(mask).long()
    found = []
    for given_mask in (torch.from_numpy(mask).long(), pack(mask)):
        text.zero_grad()
        states = text.states(ids, given_mask, torch.tensor([0, 41, 86, 400]))
        pooled, first = text.pooled(ids, given_mask), text.first(ids, given_mask)
        (states.sin().sum() + pooled.square().sum() + first.cos().sum()).backward()
        gradients = [p.grad for p in text.model.base_model.parameters() if p.grad is not None]
        found.append((states, pooled, first, *(gradient.clone() for gradient in gradients)))
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-5)


def test_a_task_learns_the_same_from_a_packed_batch(settings_text, make_arrays):
    config = parse_config(settings_text(graph_encoder={"layers": 1}), "test")
    arrays = make_arrays(sentences=6)
    task = build_task(config, 3).eval()
    found = []
    for layout in (Layout(), Layout(packed=True)):
        task.zero_grad()
        batch = Batch.from_arrays(arrays, layout)
        report = task(batch)
        report.loss.backward()
        found.append((report.loss, task.text.model.get_input_embeddings().weight.grad.clone()))
        sentences, names = batch.tokens()
    assert sentences.slots == ROW
    assert names.slots == ROW
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_relative_positions_cannot_be_packed(tiny_model):
    text = load_text_encoder(str(tiny_model("deberta-v2")))
    with pytest.raises(UsageError, match="family 'deberta-v2' cannot be packed"):
        require_packable(text.model)
