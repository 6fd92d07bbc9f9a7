from __future__ import annotations

import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

from bali_platform.errors import BaliError
from bali_trainers.config import parse_config
from bali_trainers.data.spec import DataSpec
from bali_trainers.export import export_checkpoint, export_encoder
from bali_trainers.state import Checkpoints
from bali_trainers.task import build_task

FAMILIES = ["bert", "roberta", "deberta-v2", "modernbert"]
NAMES = ["w1 w2 w3", "w9"]


@pytest.fixture
def trained(settings_text, tiny_model, tmp_path):
    def make(family="bert"):
        base = tiny_model(family)
        config = parse_config(settings_text(model={"base": str(base)}), "test")
        spec = DataSpec(
            seed=29,
            corpus=tmp_path / "notes",
            corpus_sha="c0",
            graph_version="g0",
            relation_types=("ISA",),
            tokenizer=base,
        )
        task = build_task(config, 1).eval()
        with torch.no_grad():
            for parameter in task.text.parameters():
                parameter.add_(0.01)
        return task, config, spec

    return make


def pooled(text, folder):
    tokens = AutoTokenizer.from_pretrained(folder)(NAMES, padding=True, return_tensors="pt")
    return tokens, text.pooled(tokens["input_ids"], tokens["attention_mask"])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_exported_folder_is_a_plain_hugging_face_model(trained, tmp_path, family):
    task, config, spec = trained(family)
    folder = tmp_path / "model"
    export_encoder(task.text, config, spec, {"loss": 1.25}, folder)
    tokens, vectors = pooled(task.text, folder)

    model = AutoModel.from_pretrained(folder).eval()
    states = model(tokens["input_ids"], attention_mask=tokens["attention_mask"])
    torch.testing.assert_close(states.last_hidden_state, task.text(**task_inputs(tokens)))
    whole = AutoModelForMaskedLM.from_pretrained(folder).eval()
    logits = whole(tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits
    mine = task.text.vocabulary_logits(task.text(**task_inputs(tokens))[0])
    torch.testing.assert_close(logits[0], mine)
    encoded = SentenceTransformer(str(folder), device="cpu").encode(NAMES)
    torch.testing.assert_close(torch.tensor(encoded), vectors.detach())


def task_inputs(tokens):
    return {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}


def test_the_model_card_says_what_it_was_made_from(trained, tmp_path):
    task, config, spec = trained()
    export_encoder(task.text, config, spec, {"alignment/loss": 1.25}, tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    for fact in ("g0", "notes (c0)", "| alignment/loss | 1.25 |", '"temperature": 0.07'):
        assert fact in card


def test_an_export_replaces_the_one_before_it(trained, tmp_path):
    task, config, spec = trained()
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    export_encoder(task.text, config, spec, {}, folder)
    assert not (folder / "old.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_checkpoint_exports_what_was_trained(trained, tmp_path):
    task, config, spec = trained()
    facts = {
        "identity": {},
        "config": config.model_dump(mode="json"),
        "spec": spec.model_dump(mode="json"),
    }
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1, facts=facts, say=print)
    checkpoints.save(7, task, torch.optim.AdamW(task.parameters()))
    export_checkpoint(tmp_path / "checkpoints" / "step-00000007", tmp_path / "model")
    whole = AutoModelForMaskedLM.from_pretrained(tmp_path / "model")
    ours = task.text.model.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in whole.state_dict().items())


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(BaliError, match="is not a checkpoint"):
        export_checkpoint(tmp_path, tmp_path / "model")
