"""Two gloo processes against one: the same loss, the same gradients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from bali_platform.streaming import encode
from bali_trainers.batches.batch import Batch
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

RANK = """
import sys
from pathlib import Path
import torch
from bali_trainers.training import distributed
from bali_trainers.batches.batch import Batch
from bali_trainers.training.config import parse_config
from bali_trainers.batches.layout import Layout
from bali_trainers.models.adapting import transformer_layers
from bali_trainers.training.tensor_file import write_tensors
from bali_trainers.training.joint_model import build_task
import json

folder = Path(sys.argv[1])
torch.set_num_threads(1)
with distributed.group(torch.device("cpu")):
    rank = distributed.rank()
    config = parse_config(json.loads((folder / "config.json").read_text()), "config")
    task = build_task(config, 3).eval()
    parallel = distributed.parallel(task, torch.device("cpu"))
    report = parallel(Batch.from_bytes((folder / f"batch-{rank}").read_bytes()))
    report.loss.backward()
    gradients = {n: p.grad for n, p in task.named_parameters() if p.grad is not None}
    write_tensors(gradients, folder / f"gradients-{rank}")
    write_tensors(dict(report.metrics), folder / f"metrics-{rank}")

    task = build_task(config, 3).eval()
    distributed.shard(task, transformer_layers(task.text), torch.device("cpu"))
    payload = (folder / f"batch-{rank}").read_bytes()
    report = task(Batch.from_bytes(payload, Layout(whole=True)))
    report.loss.backward()
    found = {n: p.grad for n, p in task.named_parameters() if p.grad is not None}
    sharded = {name: distributed.whole(gradient) for name, gradient in found.items()}
    write_tensors(sharded, folder / f"sharded-{rank}")
"""


def half(arrays: dict[str, np.ndarray], rows: slice, negatives: slice) -> dict[str, np.ndarray]:
    """The part of a batch with some of its sentences, hard negatives and their nodes.

    All names stay, whether a node has them or not.
    """
    length = arrays["input_ids"].shape[1]
    starts, offsets = arrays["mention_tokens"], arrays["mention_offsets"]
    row = starts[offsets[:-1]] // length
    mentions = np.flatnonzero((row >= rows.start) & (row < rows.stop))
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
        "mention_tokens": np.concatenate(tokens),
        "mention_offsets": np.cumsum([0, *map(len, tokens)]).astype(np.int32),
        "mention_concept": arrays["mention_concept"][mentions],
        "mention_name": arrays["mention_name"][mentions],
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
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": "1",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(folder)],
            env={**environment, "RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for rank in ranks:
        _, errors = rank.communicate()
        assert rank.returncode == 0, errors


def test_two_ranks_of_unequal_size_give_the_gradients_of_one(tmp_path, settings_text, make_arrays):
    arrays = make_arrays(sentences=6, concepts=4, per_sentence=2, negatives=5)
    objectives = {name: {} for name in OBJECTIVES}
    settings = settings_text(objectives=objectives, data={"mention_texts": True})
    task = build_task(parse_config(settings, "test"), 3).eval()
    report = task(Batch.from_arrays(arrays))
    report.loss.backward()

    (tmp_path / "config.json").write_text(json.dumps(settings))
    # The second rank has no hard negative at all.
    for rank, part in enumerate([(slice(0, 5), slice(0, 5)), (slice(5, 6), slice(5, 5))]):
        (tmp_path / f"batch-{rank}").write_bytes(encode(half(arrays, *part)))
    run_ranks(tmp_path)

    sharded = load_file(tmp_path / "sharded-0")
    ours = [load_file(tmp_path / f"gradients-{rank}") for rank in range(2)]
    for name, parameter in task.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(ours[0][name], parameter.grad, rtol=1e-5, atol=1e-5)
            assert torch.equal(ours[0][name], ours[1][name])
            torch.testing.assert_close(sharded[name], parameter.grad, rtol=1e-5, atol=1e-5)
    metrics = load_file(tmp_path / "metrics-0")
    losses = [f"{name}/loss" for name in OBJECTIVES]
    for name in (*losses, "alignment/bound", "mlm/accuracy"):
        torch.testing.assert_close(metrics[name], report.metrics[name], rtol=1e-5, atol=1e-5)
