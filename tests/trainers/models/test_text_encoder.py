from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters
from transformers import AutoModelForMaskedLM

from bali_platform.base.errors import BaliError
from bali_trainers.models.bases import ENCODERS
from bali_trainers.models.packing import pack
from bali_trainers.models.text import load_text_encoder

FAMILIES = ["bert", "roberta", "deberta-v2", "modernbert"]


def inputs():
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 100, (5, 9), generator=generator)
    mask = (torch.arange(9) < torch.tensor([9, 4, 7, 9, 5])[:, None]).long()
    return ids * mask, mask


@pytest.mark.parametrize("family", FAMILIES)
def test_head_equals_the_whole_model_at_the_chosen_positions(tiny_model, family):
    folder = tiny_model(family)
    whole = AutoModelForMaskedLM.from_pretrained(folder).eval()
    text = load_text_encoder(str(folder)).eval()
    ids, mask = inputs()
    positions = torch.tensor([40, 2, 2, 9])

    logits = text.vocabulary_logits(text.states(ids, mask, positions))

    expected = whole(input_ids=ids, attention_mask=mask).logits.flatten(0, 1)[positions]
    torch.testing.assert_close(logits, expected)
    assert text.fresh == frozenset()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_head_is_tied_to_the_word_embeddings(tiny_model, family):
    text = load_text_encoder(str(tiny_model(family, headless=True)))
    embeddings = text.model.get_input_embeddings().weight
    assert text.model.get_output_embeddings().weight is embeddings
    assert text.fresh
    prefix = text.model.base_model_prefix + "."
    assert not any(name.startswith(prefix) for name in text.fresh)


def test_a_missing_head_is_the_same_for_the_same_seed(tiny_model):
    folder = str(tiny_model(headless=True))
    heads = []
    for _ in range(2):
        torch.manual_seed(3)
        heads.append(load_text_encoder(folder).state_dict())
    assert all(torch.equal(heads[0][name], heads[1][name]) for name in heads[0])


def test_pooled_names_are_means_over_real_tokens(tiny_model):
    text = load_text_encoder(str(tiny_model())).eval()
    ids, mask = inputs()
    pooled = text.pooled(ids, mask)
    for row in range(len(ids)):
        size = int(mask[row].sum())
        alone = text(ids[row : row + 1, :size], mask[row : row + 1, :size])[0].mean(0)
        torch.testing.assert_close(pooled[row], alone)


def test_first_token_states(tiny_model):
    text = load_text_encoder(str(tiny_model())).eval()
    ids, mask = inputs()
    torch.testing.assert_close(text.first(ids, mask), text(ids, mask)[:, 0])


def test_without_a_mask_everything_is_a_token(tiny_model):
    text = load_text_encoder(str(tiny_model())).eval()
    ids = inputs()[0][:1]
    torch.testing.assert_close(text(ids, None), text(ids, torch.ones_like(ids)))
    torch.testing.assert_close(text.pooled(ids, None), text.pooled(ids, torch.ones_like(ids)))


def test_a_compiled_encoder_is_the_same(tiny_model):
    text = load_text_encoder(str(tiny_model())).eval()
    ids, mask = inputs()
    expected = text(ids, mask), text.vocabulary_logits(text(ids, mask)[0])
    names = set(text.state_dict())
    text.compile_encoder("eager")
    torch.testing.assert_close(
        (text(ids, mask), text.vocabulary_logits(text(ids, mask)[0])), expected
    )
    torch.testing.assert_close(text(ids[:2, :7], None), text(ids[:2, :7], mask[:2, :7] | 1))
    assert set(text.state_dict()) == names


@pytest.mark.parametrize("packed", [False, True])
def test_learning_and_evaluating_are_compiled_a_few_times(packed, tiny_model):
    folder = tiny_model("roberta", num_hidden_layers=1, max_position_embeddings=160)
    text = load_text_encoder(str(folder))
    torch._dynamo.reset()
    counters.clear()
    text.compile_encoder("eager")
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        for rows, width in ((5, 9), (1, 7), (9, 9), (20, 30)):
            ids = torch.randint(5, 100, (rows, width))
            lengths = np.linspace(1, width, rows, dtype=int)
            mask = (np.arange(width) < lengths[:, None]).astype(np.uint8)
            masks = [pack(mask)] if packed else [None, torch.from_numpy(mask)]
            for one in masks:
                text.train().pooled(ids, one).sum().backward()
                with torch.no_grad():
                    text.eval().pooled(ids, one)
    assert not counters["graph_break"]
    # Of one row, of several, and of as many as columns; to learn, and not.
    assert counters["stats"]["unique_graphs"] <= 6


def test_recomputing_changes_neither_states_nor_gradients(tiny_model):
    folder = str(tiny_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    ids, mask = inputs()
    positions = torch.tensor([40, 2, 2, 9, 38])
    results = []
    for recompute in (False, True):
        text = load_text_encoder(folder, recompute=recompute).train()
        value = (
            text.states(ids, mask, positions).square().sum() + text.pooled(ids, mask).sin().sum()
        )
        value.backward()
        embeddings = text.model.get_input_embeddings().weight
        results.append((value.detach(), embeddings.grad))
    torch.testing.assert_close(results[0], results[1])


def test_minilm_comes_from_the_installed_package():
    text = load_text_encoder("minilm")
    assert text.width == 384
    assert text.fresh


def test_a_folder_without_weights_is_one_line(tiny_model, tmp_path):
    shutil.copy(tiny_model() / "config.json", tmp_path)
    with pytest.raises(BaliError, match=r"no weights: put model\.safetensors"):
        load_text_encoder(str(tmp_path))


def test_a_folder_that_is_no_model_is_one_line(tmp_path):
    with pytest.raises(BaliError, match=r"no config\.json"):
        load_text_encoder(str(tmp_path))


def test_weights_of_another_model_are_refused(tiny_model, tmp_path):
    shutil.copy(tiny_model("bert") / "config.json", tmp_path)
    shutil.copy(tiny_model("modernbert") / "model.safetensors", tmp_path)
    with pytest.raises(BaliError, match="lacks weights of its encoder"):
        load_text_encoder(str(tmp_path))


def test_a_damaged_weight_file_is_one_line(tiny_model, tmp_path):
    folder = tiny_model()
    shutil.copy(folder / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:500])
    with pytest.raises(BaliError, match="could not be loaded") as error:
        load_text_encoder(str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("family", sorted(ENCODERS))
def test_every_family_reads_padded_texts_as_it_reads_them_alone(tiny_model, family):
    encoder = load_text_encoder(str(tiny_model(family))).eval()
    ids, mask = inputs()
    with torch.no_grad():
        states = encoder(ids, mask)
        alone = encoder(ids[1:2, :4], None)
        whole = encoder.model(input_ids=ids, attention_mask=mask).logits
        head = encoder.vocabulary_logits(states[0])
    torch.testing.assert_close(states[1, :4], alone[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(head, whole[0], rtol=1e-4, atol=1e-4)
