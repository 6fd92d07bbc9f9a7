"""A job's folder, trained: everything is put together here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from bali_platform import __version__
from bali_platform.base.errors import UsageError
from bali_platform.base.settings import load_settings
from bali_platform.jobs.connection import connect
from bali_platform.jobs.reporter import JobReporter
from bali_platform.jobs.store import JobStore
from bali_trainers.batches.layout import FILLED, Layout
from bali_trainers.batches.places import find_tokenizer
from bali_trainers.batches.sources import open_source
from bali_trainers.batches.spec import DataSpec
from bali_trainers.batches.tokens import WordPieces
from bali_trainers.export import export_checkpoint, export_model
from bali_trainers.inference.precision import settle_precision
from bali_trainers.models.adapting import transformer_layers
from bali_trainers.models.packing import packable, require_packable
from bali_trainers.training import distributed
from bali_trainers.training.average import Average
from bali_trainers.training.checkpoints import Checkpoints
from bali_trainers.training.config import Config
from bali_trainers.training.devices import choose_device
from bali_trainers.training.following import open_uploads
from bali_trainers.training.job_folder import read_config, read_spec
from bali_trainers.training.joint_model import Task, build_task, parameter_groups
from bali_trainers.training.journal import Journal
from bali_trainers.training.linking import LinkingProbe
from bali_trainers.training.loggers import open_loggers
from bali_trainers.training.loop import Plan, Trainer
from bali_trainers.training.memory import memory_errors
from bali_trainers.training.transfer import continue_from_base


def train_folder(folder: Path, job: str | None = None) -> bool:
    """Train the run in ``folder`` to its end and export its model; False when cancelled.

    In a process that the environment calls a rank, train with the other ranks; the first writes.
    """
    config, spec = read_config(folder), read_spec(folder)
    device = choose_device(config, int(os.environ.get("LOCAL_RANK", "0")))
    precision = settle_precision(config.run.precision, device.type)
    run = config.run.model_copy(update={"precision": precision})
    config = config.model_copy(update={"run": run})
    with distributed.group(device), memory_errors(spec.batch_size):
        _check_world(spec)
        if distributed.rank() > 0:
            return _train(folder, config, spec, Journal(None), job, device)
        wanted = open_loggers(config.run.loggers, folder, config.name)
        uploads = open_uploads(load_settings(), job, folder)
        with _record(job) as record, wanted as loggers:
            journal = Journal(folder, record, loggers, uploads.offer if uploads else None)
            finished = _train(folder, config, spec, journal, job, device)
            if uploads is not None:
                uploads.publish() if finished else uploads.finish()
            if finished and record is not None:
                record.artefact("model", folder / "model")
    return finished


def _train(
    folder: Path,
    config: Config,
    spec: DataSpec,
    journal: Journal,
    job: str | None,
    device: torch.device,
) -> bool:
    _settle(config, device)
    source, batches_per_epoch = open_source(config, spec, job, journal.say)
    task = build_task(config, len(spec.relation_types)).to(device)
    continue_from_base(task, config, spec.relation_types, journal.say)
    packed = config.run.packed
    if packed == "auto":
        packed = device.type == "cuda" and not config.run.chunk and packable(task.text.model)
    elif packed:
        require_packable(task.text.model)
    if config.run.compile:
        task.text.compile_encoder()
    sharded = config.run.parallel == "fsdp"
    if sharded:
        distributed.shard(task, transformer_layers(task.text), device, config.run.precision)
    optimiser = torch.optim.AdamW(parameter_groups(task, config.optimiser), fused=True)
    torch.manual_seed(config.seed + distributed.rank())
    plan = Plan(
        batches_per_epoch=batches_per_epoch,
        accumulation=config.optimiser.accumulation,
        epochs=config.run.epochs,
        max_steps=config.run.max_steps,
        dev_batches=spec.dev_batches,
    )
    checkpoints = Checkpoints(
        folder / "checkpoints", keep=config.run.keep, facts=_facts(config, spec), say=journal.say
    )
    decay = config.optimiser.average
    average = Average(task, decay) if decay else None
    trainer = Trainer(
        task=distributed.parallel(task, device),
        optimiser=optimiser,
        plan=plan,
        source=source,
        checkpoints=checkpoints,
        reporter=journal,
        device=device,
        run=config.run,
        rates=config.optimiser,
        folder=folder,
        layout=Layout(
            FILLED[device.type],
            config.run.chunk or None,
            whole=sharded,
            packed=packed,
        ),
        average=average,
        linking=_linking(spec, task),
        dense_weights=task.text.dense_weights,
    )
    with journal.listening():
        finished = trainer.train()
    if finished and distributed.rank() == 0:
        if trainer.best_step or sharded:
            kept = checkpoints.at(trainer.best_step or plan.steps)
            export_checkpoint(kept.folder, folder / "model")
            return finished
        with average.applied() if average is not None else nullcontext():
            export_model(task, config, spec, journal.last, folder / "model")
    return finished


def _linking(spec: DataSpec, task: Task) -> LinkingProbe | None:
    if spec.linking is None:
        return None
    pieces = WordPieces(find_tokenizer(spec, load_settings()))
    return LinkingProbe(spec.linking, task.text, pieces, spec.name_length)


def _settle(config: Config, device: torch.device) -> None:
    """Fix what arithmetic depends on, so that a resumed run goes on with the same numbers."""
    if config.run.threads is not None:
        torch.set_num_threads(config.run.threads)
    if device.type == "cuda":
        # What cuBLAS wants to be told before it starts, to be deterministic.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(device.type == "cpu" or config.run.deterministic)


@contextmanager
def _record(job: str | None) -> Iterator[JobReporter | None]:
    """Open the job's record in Redis, if the run is a job."""
    if job is None:
        yield None
        return
    with JobReporter(JobStore(connect()), job) as reporter:
        yield reporter


def _facts(config: Config, spec: DataSpec) -> dict[str, Any]:
    """Say what a checkpoint belongs to; a run resumes only under the same identity."""
    whole = config.model_dump(mode="json")
    elsewhere = {"source", "replay", "window", "corpus", "batch_size"}
    data = {key: value for key, value in whole["data"].items() if key not in elsewhere}
    return {
        "identity": {
            "seed": config.seed,
            "model": whole["model"],
            "graph encoder": whole["graph_encoder"],
            "objectives": whole["objectives"],
            "data": data,
            # A step's sentences are the same however many ranks share them.
            "sentences a step": spec.batch_size * spec.world_size,
            "accumulation": config.optimiser.accumulation,
            "average": config.optimiser.average,
            "graph version": spec.graph_version,
            "relation types": list(spec.relation_types),
            "corpus": spec.corpus_sha,
        },
        "config": whole,
        "spec": spec.model_dump(mode="json"),
        "code": __version__,
        "torch": torch.__version__,
        "world_size": spec.world_size,
        "threads": torch.get_num_threads(),
    }


def _check_world(spec: DataSpec) -> None:
    if spec.world_size != distributed.world_size():
        raise UsageError(
            f"the job was prepared for {spec.world_size} processes, not "
            f"{distributed.world_size()}: start as many, or set [run] processes and queue it again"
        )
