"""The devices that a run trains on."""

from __future__ import annotations

import torch

from bali_platform.base.errors import UsageError
from bali_trainers.inference.precision import settle_device
from bali_trainers.training.config import Config


def choose_device(config: Config, local_rank: int) -> torch.device:
    """Return the device of a process of a run: each of a machine's ranks has its own GPU.

    Raises :class:`UsageError` for what this machine has not, or its device cannot do.
    """
    run = config.run
    on_cpu = run.device == "auto" and config.graph_encoder.backend == "dgl"
    device = settle_device("cpu" if on_cpu else run.device)
    if device == "cpu":
        if run.precision == "fp16":
            raise UsageError(
                "[run] precision = 'fp16' needs a GPU, and torch sees none here: use 'auto'"
            )
        return torch.device(device)
    if run.processes == 1:
        return torch.device("cuda", torch.device(device).index or 0)
    if ":" in device:
        raise UsageError(
            f"[run] device = '{device}' is one GPU, not one for each of {run.processes} processes: "
            "use 'cuda', and CUDA_VISIBLE_DEVICES to choose some"
        )
    if local_rank >= (there := torch.cuda.device_count()):
        raise UsageError(
            f"[run] processes = {run.processes}: torch sees {there} GPU{'s' if there > 1 else ''} "
            "here, and each process needs its own"
        )
    return torch.device("cuda", local_rank)
