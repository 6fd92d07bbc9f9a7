"""Several processes against one: the same loss, the same gradients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor
from torch import distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

from bali_platform.base.errors import BaliError
from bali_platform.streaming import encode
from bali_trainers.batches.batch import Batch
from bali_trainers.models.adapting import transformer_layers
from bali_trainers.objectives.config import ObjectivesConfig
from bali_trainers.training import distributed
from bali_trainers.training.config import parse_config
from bali_trainers.training.joint_model import build_task

OBJECTIVES = (
    "alignment",
    "mention_name",
    "mention_text",
    "name_name",
    "multi_similarity",
    "mlm",
)

RANKS = 4
SILENT = 7  # the sentence whose mentions are all lost
EVERY = {name: {} for name in ObjectivesConfig.model_fields}

PROGRAM = """
import json
import os
import sys
import traceback
from pathlib import Path
import torch
from bali_trainers.training import distributed
from bali_trainers.batches.batch import Batch
from bali_trainers.training.config import parse_config
from bali_trainers.batches.layout import Layout
from bali_trainers.models.adapting import transformer_layers
from bali_trainers.training.tensor_file import write_tensors
from bali_trainers.training.joint_model import build_task

CPU = torch.device("cpu")
folder, ranks = Path(sys.argv[1]), int(sys.argv[2])


def learn(name, wrap, settings, layout=Layout(), dtype=None):
    config = parse_config(json.loads((folder / settings).read_text()), "config")
    task = build_task(config, 3).eval()
    if name == "frozen":
        task.graph.requires_grad_(False)
    batch = Batch.from_bytes((folder / f"batch-{rank}").read_bytes(), layout)
    parallel = wrap(task)
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        report = parallel(batch)
    report.loss.backward()
    found = {n: distributed.whole(p.grad) for n, p in task.named_parameters() if p.requires_grad}
    write_tensors(found, folder / f"{name}-{rank}")
    write_tensors({"loss": report.mean, **report.metrics}, folder / f"{name}-metrics-{rank}")


def shard(precision):
    def wrap(task):
        distributed.shard(task, transformer_layers(task.text), CPU, precision)
        return task
    return wrap


def train():
    with distributed.group(CPU):
        ddp = lambda task: distributed.parallel(task, CPU)
        learn("ddp", ddp, "config.json")
        learn("frozen", ddp, "config.json")
        learn("every", ddp, "every.json")
        learn("packed", ddp, "every.json", Layout(packed=True))
        learn("sharded", shard("fp32"), "config.json", Layout(whole=True))
        learn("half", shard("bf16"), "every.json", Layout(whole=True), torch.bfloat16)


torch.set_num_threads(1)
for rank in range(ranks):  # torch is imported once
    if os.fork() == 0:
        os.environ["RANK"] = str(rank)
        code = 1
        try:
            train()
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
sys.exit(max(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(ranks)))
"""


def half(arrays: dict[str, np.ndarray], rows: slice, negatives: slice) -> dict[str, np.ndarray]:
    """The part of a batch with some of its sentences, hard negatives and their nodes.

    All names stay, whether a node has them or not, unless there is no node.
    """
    length = arrays["input_ids"].shape[1]
    starts, offsets = arrays["mention_tokens"], arrays["mention_offsets"]
    row = starts[offsets[:-1]] // length
    mentions = np.flatnonzero((row >= rows.start) & (row < rows.stop) & (row != SILENT))
    tokens = [starts[offsets[m] : offsets[m + 1]] - rows.start * length for m in mentions]
    roots = np.concatenate([arrays["target_node"][mentions], arrays["negative_node"][negatives]])
    kept = np.isin(arrays["edge_index"][1], roots)
    nodes = np.union1d(roots, arrays["edge_index"][0, kept])

    def renumbered(old: np.ndarray) -> np.ndarray:
        return np.searchsorted(nodes, old).astype(np.int32)

    return arrays | {
        "input_ids": arrays["input_ids"][rows],
        "attention_mask": arrays["attention_mask"][rows],
        "labels": arrays["labels"][rows],
        "mention_tokens": np.concatenate([starts[:0], *tokens]),
        "mention_offsets": np.cumsum([0, *map(len, tokens)]).astype(np.int32),
        "mention_concept": arrays["mention_concept"][mentions],
        "mention_name": arrays["mention_name"][mentions],
        "name_input_ids": arrays["name_input_ids"][: None if len(nodes) else 0],
        "name_attention_mask": arrays["name_attention_mask"][: None if len(nodes) else 0],
        "node_name": arrays["node_name"][nodes],
        "node_concept": arrays["node_concept"][nodes],
        "edge_index": renumbered(arrays["edge_index"][:, kept]),
        "edge_type": arrays["edge_type"][kept],
        "target_node": renumbered(arrays["target_node"][mentions]),
        "pair_concept": arrays["pair_concept"][mentions],
        "name_pairs": arrays["name_pairs"][:, mentions],
        "negative_node": renumbered(arrays["negative_node"][negatives]),
        "negative_concept": arrays["negative_concept"][negatives],
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_ranks(folder: Path) -> None:
    environment = {
        **os.environ,
        "WORLD_SIZE": str(RANKS),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", PROGRAM, str(folder), str(RANKS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance)


def test_four_unequal_ranks_learn_what_one_does(tmp_path, settings_text, make_arrays):
    arrays = make_arrays(sentences=8, concepts=4, per_sentence=2, negatives=5)
    kin = np.stack([arrays["mention_concept"][:3], np.zeros(3, dtype=np.int64)])
    arrays |= {"families": kin}
    settings = settings_text(
        objectives={name: {} for name in OBJECTIVES}, data={"mention_texts": True}
    )
    every = settings_text(objectives=EVERY, data={"mention_texts": True})
    task = build_task(parse_config(settings, "test"), 3).eval()
    report = task(Batch.from_arrays(half(arrays, slice(0, 8), slice(0, 5))))
    report.loss.backward()

    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "every.json").write_text(json.dumps(every))
    # Some ranks have no hard negative at all, and the last one not even a mention.
    parts = [(slice(0, 4), slice(0, 5)), (slice(4, 5), slice(5, 5)), (slice(5, 7), slice(5, 5))]
    for rank, part in enumerate([*parts, (slice(SILENT, 8), slice(5, 5))]):
        known = {"families": kin[:, rank : rank + 1]}  # the last knows of none
        (tmp_path / f"batch-{rank}").write_bytes(encode(half(arrays, *part) | known))
    run_ranks(tmp_path)

    def found(name: str, rank: int = 0) -> dict[str, Tensor]:
        return load_file(tmp_path / f"{name}-{rank}")

    gradients = {n: p.grad for n, p in task.named_parameters() if p.grad is not None}
    close(found("ddp"), gradients)
    close(found("sharded"), gradients)
    close(found("frozen"), {n: g for n, g in gradients.items() if not n.startswith("graph.")})
    close(found("every"), found("packed"))
    close(found("half"), found("every"), 0.1)
    for name in ("ddp", "every", "half"):
        one, *others = (found(name, rank) for rank in range(RANKS))
        assert all(torch.equal(other[n], g) for other in others for n, g in one.items())
    names = [f"{name}/loss" for name in OBJECTIVES] + ["alignment/bound", "mlm/accuracy"]
    expected = {"loss": report.mean, **{name: report.metrics[name] for name in names}}
    for rank in range(RANKS):
        close(found("ddp-metrics", rank), expected)
    torch.testing.assert_close(report.mean, report.loss.detach())


def test_a_step_without_any_mention_is_refused(settings_text, make_arrays):
    arrays = half(make_arrays(sentences=8), slice(SILENT, 8), slice(0, 0))
    task = build_task(parse_config(settings_text(), "test"), 3)
    with pytest.raises(BaliError, match="training batch has no mention"):
        task(Batch.from_arrays(arrays))


@pytest.fixture(scope="module")
def rank_of_eight() -> Iterator[int]:
    """One of eight ranks, whose others all have what it has."""
    dist.init_process_group("fake", rank=5, world_size=8, store=FakeStore())
    yield 5
    dist.destroy_process_group()


@given(sizes=st.lists(st.integers(0, 4), min_size=8, max_size=8))
def test_rows_of_eight_ranks_are_stacked_in_their_order(rank_of_eight, sizes):
    own = sizes[rank_of_eight]
    first = sum(sizes[:rank_of_eight])
    rows = torch.randn(own, 3, requires_grad=True)
    every = distributed.gather_rows(rows, sizes)
    assert every.shape == (sum(sizes), 3)
    assert torch.equal(every[first : first + own], rows)
    weights = torch.randn_like(every)
    (every * weights).sum().backward()
    assert torch.equal(rows.grad, weights[first : first + own])


def test_one_of_eight_ranks_asks_the_others_once_how_much_they_have(
    rank_of_eight, settings_text, make_arrays, monkeypatch
):
    asked = []
    ask = distributed.gather_host
    monkeypatch.setattr(distributed, "gather_host", lambda v: asked.append(1) or ask(v))
    settings = settings_text(objectives=EVERY, data={"mention_texts": True})
    task = build_task(parse_config(settings, "test"), 3)
    report = task(Batch.from_arrays(make_arrays(sentences=6, further=3)))
    report.loss.backward()
    assert len(asked) == 1
    assert all(p.grad is not None for p in task.parameters() if p.requires_grad)


def test_each_of_eight_ranks_keeps_an_eighth(rank_of_eight, settings_text):
    task = build_task(parse_config(settings_text(), "test"), 3)
    sizes = {name: parameter.shape for name, parameter in task.named_parameters()}
    cpu = torch.device("cpu")
    distributed.shard(task, transformer_layers(task.text), cpu, "bf16")
    for name, parameter in task.named_parameters():
        rows = sizes[name][0]
        here = max(0, min(-(-rows // 8), rows - rank_of_eight * -(-rows // 8)))
        assert parameter.to_local().shape == (here, *sizes[name][1:])
