from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForMaskedLM

from bali_platform.base.errors import UsageError
from bali_trainers.models.adapting import (
    add_adapters,
    freeze_layers,
    merge_adapters,
    mix_with_base,
)
from bali_trainers.models.text import load_text_encoder

FAMILIES = ["bert", "roberta", "deberta-v2", "modernbert"]
IDS, MASK = torch.tensor([[2, 9, 8, 7, 3]]), torch.ones(1, 5, dtype=torch.long)


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_layers_do_not_learn_and_the_rest_does(tiny_model, family):
    text = load_text_encoder(str(tiny_model(family)))
    freeze_layers(text, 1)
    text.pooled(IDS, MASK).sin().sum().backward()
    base = text.model.base_model
    assert all(not p.requires_grad for p in base.embeddings.parameters())
    learning = {n for n, p in base.named_parameters() if p.grad is not None}
    assert learning
    assert not any(".0." in name for name in learning if "layer" in name)
    assert any(".1." in name for name in learning if "layer" in name)


def test_more_frozen_layers_than_there_are(tiny_model):
    with pytest.raises(UsageError, match="frozen_layers = 9: the model has 2 layers"):
        freeze_layers(load_text_encoder(str(tiny_model())), 9)


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_start_as_nothing_learn_alone_and_merge_exactly(tiny_model, tmp_path, family):
    text = load_text_encoder(str(tiny_model(family))).eval()
    before, names = text(IDS, MASK), set(text.model.state_dict())
    add_adapters(text, 2)
    torch.testing.assert_close(text(IDS, MASK), before)
    learning = {n for n, p in text.model.base_model.named_parameters() if p.requires_grad}
    assert learning
    assert all(".lora_" in name for name in learning)
    assert any(".lora_A." in name for name in text.fresh)

    with torch.no_grad():
        for name, parameter in text.model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_()
    adapted = text(IDS, MASK)
    assert not torch.allclose(adapted, before)
    merge_adapters(text.model)
    assert set(text.model.state_dict()) == names
    torch.testing.assert_close(text(IDS, MASK), adapted)
    text.model.save_pretrained(tmp_path)
    plain = AutoModelForMaskedLM.from_pretrained(tmp_path).eval().base_model
    torch.testing.assert_close(plain(IDS, attention_mask=MASK).last_hidden_state, adapted)


def test_merging_without_adapters_does_nothing(tiny_model):
    text = load_text_encoder(str(tiny_model()))
    before = {name: value.clone() for name, value in text.state_dict().items()}
    merge_adapters(text.model)
    assert all(torch.equal(value, before[name]) for name, value in text.state_dict().items())


@pytest.mark.parametrize("headless", [False, True])
def test_a_share_of_the_base_is_mixed_into_what_it_supplied(tiny_model, headless):
    base = load_text_encoder(str(tiny_model(headless=headless)))
    text = load_text_encoder(str(tiny_model(headless=headless)))
    with torch.no_grad():
        for parameter in text.parameters():
            parameter.add_(1.0)
    before = {name: value.clone() for name, value in text.model.state_dict().items()}
    mix_with_base(text, base, 0.25)
    assert bool(text.fresh) == headless
    for name, value in text.model.state_dict().items():
        moved = (
            0.0 if name in text.fresh else 0.25 * (before[name] != base.model.state_dict()[name])
        )
        torch.testing.assert_close(value, before[name] - moved)
