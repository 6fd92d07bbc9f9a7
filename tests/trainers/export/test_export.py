"""What an export holds, and that others can read it."""

from __future__ import annotations

import json
import shutil

import onnxruntime
import pytest
import torch
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_trainers.batches.spec import DataSpec
from bali_trainers.export import export_checkpoint, export_model, export_onnx, export_run
from bali_trainers.export.jobs import find_run
from bali_trainers.models.saved_graph import load_graph_encoder
from bali_trainers.training.checkpoints import Checkpoints
from bali_trainers.training.config import parse_config
from bali_trainers.training.joint_model import build_task

FAMILIES = ["bert", "roberta", "deberta-v2", "modernbert"]
NAMES = ["w1 w2 w3", "w9"]


@pytest.fixture
def trained(settings_text, tiny_model, tmp_path):
    def make(family="bert", model=None, **sections):
        base = tiny_model(family)
        sections["model"] = {"base": str(base), **(model or {})}
        config = parse_config(settings_text(**sections), "test")
        spec = DataSpec(
            seed=29,
            corpus=tmp_path / "notes",
            corpus_sha="c0",
            graph_version="g0",
            relation_types=("ISA",),
            tokenizer=base,
            encoder="linearised" if config.graph_encoder.kind == "linearised" else "graph",
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
    export_model(task, config, spec, {"loss": 1.25}, folder)
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
    export_model(task, config, spec, {"alignment/loss": 1.25}, tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    for fact in ("g0", "notes (c0)", "| alignment/loss | 1.25 |", '"temperature": 0.07'):
        assert fact in card


def test_a_share_of_the_base_is_exported(trained, tmp_path):
    task, config, spec = trained(optimiser={"base_share": 0.25})
    learned = {name: value.clone() for name, value in task.text.model.named_parameters()}
    export_model(task, config, spec, {}, tmp_path / "model")
    base = dict(AutoModelForMaskedLM.from_pretrained(config.model.base).named_parameters())
    exported = dict(AutoModelForMaskedLM.from_pretrained(tmp_path / "model").named_parameters())
    for name, value in exported.items():
        torch.testing.assert_close(value, 0.75 * learned[name] + 0.25 * base[name])


def test_an_export_replaces_the_one_before_it(trained, tmp_path):
    task, config, spec = trained()
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    export_model(task, config, spec, {}, folder)
    assert not (folder / "old.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.fixture
def job(trained, tmp_path):
    """The folder of a job with a checkpoint after step 7, and what was trained."""

    def make(**sections):
        task, config, spec = trained(**sections)
        folder = tmp_path / "jobs" / "3f9a0c71"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(config.model_dump_json())
        (folder / "spec.json").write_text(spec.model_dump_json())
        rows = [{"step": step, "total": 9, "loss": step / 4} for step in (5, 7, 9)]
        (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        facts = {
            "identity": {},
            "config": config.model_dump(mode="json"),
            "spec": spec.model_dump(mode="json"),
        }
        checkpoints = Checkpoints(folder / "checkpoints", keep=2, facts=facts, say=print)
        checkpoints.save(7, task, torch.optim.AdamW(task.parameters()))
        checkpoints.finish()
        return folder, task, config, spec

    return make


def same_weights(folder, task):
    whole = AutoModelForMaskedLM.from_pretrained(folder).state_dict()
    ours = task.text.model.state_dict()
    return all(torch.equal(value, ours[name]) for name, value in whole.items())


def test_a_checkpoint_exports_what_was_trained(job, tmp_path):
    run, task, *_ = job()
    export_run(run / "checkpoints" / "step-00000007", tmp_path / "model")
    assert same_weights(tmp_path / "model", task)
    saved = load_graph_encoder(tmp_path / "model")
    assert saved.facts.relation_types == ("ISA",)
    for name, value in task.graph.state_dict().items():
        assert torch.equal(value, saved.graph.state_dict()[name])


def test_an_unfinished_job_is_refused_but_its_checkpoint_exports(job, tmp_path):
    run, task, *_ = job()
    with pytest.raises(BaliError, match=r"is not finished.*--checkpoint"):
        export_run(run, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    damaged = run / "checkpoints" / "step-00000009"
    damaged.mkdir()
    export_run(run, tmp_path / "model", checkpoint=True)
    assert same_weights(tmp_path / "model", task)
    assert "| loss | 1.75 |  |" in (tmp_path / "model" / "README.md").read_text()
    shutil.rmtree(run / "checkpoints" / "step-00000007")
    with pytest.raises(BaliError, match="no whole checkpoint"):
        export_run(run, tmp_path / "model", checkpoint=True)


def test_a_finished_job_exports_what_it_ended_with(job, tmp_path):
    run, task, config, spec = job()
    export_model(task, config, spec, {}, run / "model")
    export_run(run, tmp_path / "out" / "model")
    files = {path.relative_to(run / "model") for path in (run / "model").rglob("*")}
    copied = tmp_path / "out" / "model"
    assert {path.relative_to(copied) for path in copied.rglob("*")} == files
    with pytest.raises(UsageError, match="model of that job already"):
        export_run(run, run / "model")


def test_a_job_is_found_by_the_beginning_of_its_id(job):
    run, *_ = job()
    here = Settings(home=run.parent.parent)
    assert find_run("3f9", here) == run
    assert find_run(str(run), here) == run
    (run.parent / "3f9b").mkdir()
    with pytest.raises(UsageError, match="beginning of 2 jobs"):
        find_run("3f9", here)
    with pytest.raises(UsageError, match="did you mean '3f9b'"):
        find_run("3g9b", here)


def test_nothing_but_a_model_is_replaced(job, tmp_path):
    run, *_ = job()
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="something else than a model"):
        export_run(run, tmp_path, checkpoint=True)
    assert (tmp_path / "thesis.txt").exists()
    with pytest.raises(UsageError, match="neither a job's folder, nor a checkpoint"):
        export_run(tmp_path, tmp_path / "model")


def test_the_model_card_holds_no_path_of_this_machine(job, tmp_path):
    run, *_ = job()
    export_run(run, tmp_path / "model", checkpoint=True)
    assert str(tmp_path.parent) not in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@pytest.mark.parametrize("kind", ["gatv2", "sage"])
def test_the_graph_encoder_is_saved_beside_the_model(trained, tmp_path, kind, pooling):
    task, config, spec = trained(
        graph_encoder={"kind": kind, "layers": 2}, model={"pooling": pooling}
    )
    with torch.no_grad():
        for parameter in (*task.graph.parameters(), *task.pooling.parameters()):
            parameter.add_(0.1)
    export_model(task, config, spec, {}, tmp_path / "model")
    saved = load_graph_encoder(tmp_path / "model")
    nodes, edges = torch.randn(3, 16), torch.tensor([[1, 2], [0, 0]])
    inputs = nodes, edges, torch.tensor([0, 1]), torch.tensor([0])
    torch.testing.assert_close(saved.graph(*inputs), task.graph.eval()(*inputs))
    states, offsets = torch.randn(5, 16), torch.tensor([0, 2, 5])
    torch.testing.assert_close(saved.pooling(states, offsets), task.pooling(states, offsets))


def test_a_damaged_graph_encoder_is_one_line(trained, tmp_path):
    task, config, spec = trained()
    export_model(task, config, spec, {}, tmp_path / "model")
    weights = tmp_path / "model" / "graph_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(BaliError, match="graph_encoder is damaged") as caught:
        load_graph_encoder(tmp_path / "model")
    assert "\n" not in str(caught.value)
    assert load_graph_encoder(tmp_path) is None


@pytest.mark.parametrize("family", ["bert"])
def test_onnx_gives_the_vectors_of_torch(trained, tmp_path, family):
    task, config, spec = trained(family)
    export_model(task, config, spec, {}, tmp_path / "model")
    path = export_onnx(tmp_path / "model")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    for names in (["w1"], NAMES, ["w3 " * 20, "w1", "w2 w4"]):
        tokens = tokenizer(names, padding=True, return_tensors="pt")
        fed = {name: tokens[name].numpy() for name in ("input_ids", "attention_mask")}
        (vectors,) = session.run(["sentence_embedding"], fed)
        wanted = task.text.pooled(tokens["input_ids"], tokens["attention_mask"])
        torch.testing.assert_close(torch.tensor(vectors), wanted.detach(), atol=1e-4, rtol=0)


def test_an_onnx_graph_that_differs_is_refused(trained, tmp_path, monkeypatch):
    task, config, spec = trained()
    export_model(task, config, spec, {}, tmp_path / "model")
    monkeypatch.setattr("bali_trainers.export.onnx.TOLERANCE", -1.0)
    with pytest.raises(BaliError, match="differs from torch"):
        export_onnx(tmp_path / "model")
    assert not list((tmp_path / "model" / "onnx").iterdir())


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(BaliError, match="is no whole checkpoint"):
        export_checkpoint(tmp_path, tmp_path / "model")


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize("headed", [True, False])
def test_adapters_are_merged_into_their_base(tiny_model, tmp_path, headed):
    base = tmp_path / "base"
    shutil.copytree(tiny_model(), base)
    kind = AutoModelForMaskedLM if headed else AutoModel
    config = LoraConfig(target_modules=["query"], init_lora_weights=False)
    adapted = get_peft_model(kind.from_pretrained(base), config)
    adapted.save_pretrained(tmp_path / "adapters")
    export_run(tmp_path / "adapters", tmp_path / "merged")
    export_run(tmp_path / "adapters", tmp_path / "merged")
    text = AutoTokenizer.from_pretrained(tmp_path / "merged")("w1 w2", return_tensors="pt")
    with torch.inference_mode():
        ours = AutoModel.from_pretrained(tmp_path / "merged").eval()(**text).last_hidden_state
        theirs = adapted.eval().base_model.model.base_model(**text).last_hidden_state
        before = AutoModel.from_pretrained(base).eval()(**text).last_hidden_state
    torch.testing.assert_close(ours, theirs)
    assert not torch.allclose(ours, before)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_adapters_of_another_base_are_refused(tiny_model, tmp_path):
    config = LoraConfig(target_modules=["query"])
    get_peft_model(AutoModel.from_pretrained(tiny_model()), config).save_pretrained(tmp_path / "a")
    told = tmp_path / "a" / "adapter_config.json"
    base = str(tiny_model("modernbert"))
    told.write_text(json.dumps(json.loads(told.read_text()) | {"base_model_name_or_path": base}))
    with pytest.raises(UsageError, match="does not fit its base"):
        export_run(tmp_path / "a", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
