"""A run and its evaluation on a GPU that is only pretended, and not the first: nothing is mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bali_platform.base.errors import UsageError
from bali_platform.streaming import InlineSource, encode
from bali_platform.subgraphs import Edge, Lookup, Neighbourhood
from bali_trainers.batches.layout import Layout
from bali_trainers.batches.spec import DataSpec
from bali_trainers.evaluation import build_edge_task, evaluate_links, links
from bali_trainers.evaluation.mentions import MentionTask, evaluate_mentions
from bali_trainers.evaluation.names import build_name_task, evaluate_names
from bali_trainers.export import export_model
from bali_trainers.inference import embedding
from bali_trainers.inference.embedding import NameEncoder, Setup, Spans
from bali_trainers.objectives.config import ObjectivesConfig
from bali_trainers.training.average import Average
from bali_trainers.training.checkpoints import Checkpoints
from bali_trainers.training.config import Config, parse_config
from bali_trainers.training.joint_model import Task, build_task, parameter_groups
from bali_trainers.training.loop import Plan, Trainer

HOST, GPU = torch.device("cpu"), torch.device("cuda", 1)
EVERY = {name: {} for name in ObjectivesConfig.model_fields}


class Pretended(TorchDispatchMode):
    """A GPU whose tensors have no numbers: the host computes with its own, and reads ones."""

    def __init__(self) -> None:
        super().__init__()
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)
        self._alone = RLock()  # a fake mode is not made for two threads
        self.generator = torch.zeros(8, dtype=torch.uint8)
        self.on_host: set[str] = set()

    @contextmanager
    def used(self, *_: object) -> Iterator[None]:
        """Let this thread have the GPU."""
        with self._fake, self:
            yield

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self._alone:
            if torch.is_inference_mode_enabled() and func.namespace == "aten":
                # Composed operations come whole then.
                with self:
                    parts = func.decompose(*args, **kwargs)
                if parts is not NotImplemented:
                    return parts
            return self._answer(func, args, kwargs)

    def _answer(self, func: Any, args: Any, kwargs: Any) -> Any:
        there = any(isinstance(leaf, FakeTensor) for leaf in tree_leaves((args, kwargs)))
        target = kwargs.get("device")
        if there and func is torch.ops.aten.nonzero.default:
            return torch.empty(1, args[0].ndim, dtype=torch.int64, device=GPU)
        read = func is torch.ops.aten._local_scalar_dense.default
        if not read and target != HOST and (there or target is not None):
            return func(*args, **kwargs)
        with unset_fake_temporarily():
            if there and read:
                return torch.ones((), dtype=args[0].dtype).item()
            if there:
                return torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
            self.on_host.add(func.name())
            return func(*args, **kwargs)


class Stream:
    def __init__(self, device: torch.device) -> None:
        assert device == GPU

    def wait_stream(self, other: Stream) -> None:
        pass

    def synchronize(self) -> None:
        pass


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    pretended = Pretended()

    def generator(device: torch.device) -> Tensor:
        assert device == GPU
        return pretended.generator

    def set_generator(state: Tensor, device: torch.device) -> None:
        assert device == GPU
        pretended.generator = state

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", pretended.used)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 2**20)
    monkeypatch.setattr(torch.cuda, "get_rng_state", generator)
    monkeypatch.setattr(torch.cuda, "set_rng_state", set_generator)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(Tensor, "record_stream", lambda tensor, stream: None)
    return pretended


def carried(task: Task) -> Task:
    """The task on the GPU; weights that are tied stay so."""
    moved: dict[int, nn.Parameter] = {}
    for module in task.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                new = nn.Parameter(
                    torch.empty_like(parameter, device=GPU), requires_grad=parameter.requires_grad
                )
                module._parameters[name] = moved.setdefault(id(parameter), new)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty_like(buffer, device=GPU)
    return task


class Listener:
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.saves: list[int] = []
        self.resumes: list[int] = []

    def metrics(self, step: int, total: int, values: dict[str, float]) -> None:
        self.rows.append(values)

    def resumed(self, step: int) -> None:
        self.resumes.append(step)

    def saved(self, step: int) -> None:
        self.saves.append(step)

    def cancelled(self) -> bool:
        return False


@pytest.fixture
def evaluated(gpu: Pretended, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """How a model is evaluated on the GPU, in bf16."""
    for module in (embedding, links):
        monkeypatch.setattr(module, "settle_device", lambda wanted: wanted)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**20, 2**20))
    return Setup("bf16", str(GPU))


@pytest.fixture
def train(
    gpu: Pretended, make_arrays: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Listener]:
    def run(config: Config, layout: Layout, steps: int) -> Listener:
        task = build_task(config, 3)
        listener = Listener()
        facts = {"identity": {}, "config": config.model_dump(mode="json")}
        with gpu.used():
            task = carried(task)
            trained = [p for p in task.parameters() if p.requires_grad]

            def backward(loss: Tensor) -> None:
                # The engine would ask the driver for its streams.
                assert loss.device == GPU
                for parameter in trained:
                    parameter.grad = torch.empty_like(parameter)

            monkeypatch.setattr(Tensor, "backward", backward)
            trainer = Trainer(
                task=task,
                optimiser=torch.optim.AdamW(parameter_groups(task, config.optimiser), fused=True),
                plan=Plan(batches_per_epoch=steps, max_steps=steps, dev_batches=2),
                source=InlineSource(
                    lambda key: encode(make_arrays(key.index % 8, sentences=6, further=3))
                ),
                checkpoints=Checkpoints(tmp_path, keep=1, facts=facts, say=print),
                reporter=listener,
                device=GPU,
                run=config.run,
                rates=config.optimiser,
                folder=tmp_path,
                layout=layout,
                average=Average(task, 0.9),
                dense_weights=task.text.dense_weights,
            )
            assert trainer.train()
        state = [
            value for moments in trainer.optimiser.state.values() for value in moments.values()
        ]
        assert trainer.average is not None
        kept = [*task.state_dict().values(), *trainer.average.weights.values(), *state]
        assert {str(tensor.device) for tensor in kept} == {"cuda:1"}
        return listener

    return run


@pytest.mark.parametrize(("kind", "packed"), [("gatv2", True), ("sage", False)])
def test_a_run_stays_on_its_device(kind, packed, settings_text, train):
    settings = settings_text(objectives=EVERY, data={"mention_texts": True, "dev_batches": 2})
    settings["graph_encoder"] = {"kind": kind, "layers": 1, "residual": True}
    settings["run"] = {"evaluate_every": 2, "checkpoint_every": 1, "precision": "bf16"}
    config = parse_config(settings, "test")
    layout = Layout(packed=packed)
    first = train(config, layout, 2)
    assert first.saves == [1, 2]
    assert "dev/loss" in first.rows[-1]
    again = train(config, layout, 3)
    assert (again.resumes, again.saves) == ([2], [3])
    assert again.rows[-1]["memory_mib"] == 1
    settings["run"]["precision"] = "fp16"
    with pytest.raises(UsageError, match=r"with .* 'bf16', which does not go on as 'fp16'"):
        train(parse_config(settings, "test"), layout, 4)


def test_an_evaluation_stays_on_its_device(gpu, evaluated, tiny_model):
    model, words = str(tiny_model()), [f"w{i}" for i in range(40)]
    names = build_name_task([(f"C{i}", words[4 * i : 4 * i + 4]) for i in range(10)], withheld=0.3)
    every = np.arange(3)
    mentions = MentionTask(
        corpus="three",
        table=names.table,
        spans=Spans(
            ("w1 w2", "w3 w4 w5"), np.array([0, 1, 1]), 3 * (every % 2), 3 * (every % 2) + 2
        ),
        names=("w1", "w4", "w3"),
        gold=((1,), (1,), (1, 2)),
        document=every,
        chosen={},
        unknown=0,
    )
    with gpu.used(), np.errstate(invalid="ignore"):
        (by_name,) = evaluate_names(model, names, evaluated)
        ((_, context, mixed),) = evaluate_mentions(
            model, [mentions], ("name", "context", "mixed"), evaluated
        )
        encoder = NameEncoder(model, evaluated)
        embedded = encoder.encode(words)
        first = encoder.encode_first(np.full((2, 4), 7, np.int32), np.ones((2, 4), np.uint8))
    assert by_name.scores["acc@1"].shape == (len(names.queries),)
    assert context.scores["mrr"].shape == mixed.scores["mrr"].shape == (3,)
    assert embedded.vectors.dtype == np.float16
    assert first.shape == (2, encoder.width)


class Ring:
    """A graph of twenty concepts, each the parent of the next."""

    graph_version = "g0"

    def neighbourhoods(self, cuis: list[str]) -> Lookup:
        found = {}
        for cui in cuis:
            after, before = ((int(cui[1:]) + step) % 20 for step in (1, -1))
            edges = Edge(f"C{after}", "CHD", True), Edge(f"C{before}", "CHD", False)
            found[cui] = Neighbourhood(cui, (f"w{cui[1:]}",), edges)
        return Lookup(found, ())

    def names(self, cuis: list[str]) -> dict[str, tuple[str, ...]]:
        return {cui: (f"w{cui[1:]}",) for cui in cuis}


@pytest.mark.parametrize("kind", ["gatv2", "linearised"])
def test_edges_are_ranked_on_the_device(kind, gpu, evaluated, settings_text, tiny_model, tmp_path):
    config = parse_config({**settings_text(), "graph_encoder": {"kind": kind}}, "test")
    spec = DataSpec(
        seed=1,
        corpus=tmp_path,
        corpus_sha="c0",
        graph_version="g0",
        relation_types=("CHD",),
        tokenizer=tiny_model(),
        withheld_edges=0.5,
    )
    export_model(build_task(config, 1), config, spec, {}, tmp_path / "model")
    task = build_edge_task([f"C{number}" for number in range(20)], Ring(), withheld=0.5)
    with gpu.used():
        outcomes = evaluate_links(str(tmp_path / "model"), task, evaluated)
    assert [outcome.view for outcome in outcomes] == ["name", "graph", "alone"]
    assert all(len(one.scores["mrr"]) == 2 * len(task.asked) for one in outcomes)
    assert "aten::mm" not in gpu.on_host, "products are the GPU's"
