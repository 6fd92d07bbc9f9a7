"""Which device there is, and which arithmetic it computes fast in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal, TypeVar

import torch

from bali_platform.base.errors import UsageError

T = TypeVar("T", bound=str)


def settle_device(wanted: str) -> str:
    """Return ``wanted``; for ``"auto"``, the GPU where torch sees one, else the CPU.

    Matrices in fp32 are multiplied in TF32 on a GPU. Raises :class:`UsageError` for a GPU that is
    not there.
    """
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "cpu" or (wanted == "auto" and not there):
        return "cpu"
    named = re.fullmatch(r"auto|cuda(?::(\d+))?", wanted)
    if named is None:
        raise UsageError(f"device '{wanted}': say cpu, cuda, one GPU such as cuda:1, or auto")
    if int(named[1] or 0) >= there:
        seen = f"{there} GPU{'s' if there > 1 else ''}, numbered from 0" if there else "no GPU"
        raise UsageError(f"device '{wanted}': torch sees {seen} here; use 'cpu' or 'auto'")
    torch.set_float32_matmul_precision("high")
    return "cuda" if wanted == "auto" else wanted


def settle_precision(wanted: T | Literal["auto"], device: str) -> T | Literal["fp32", "bf16"]:
    """Return ``wanted``; for ``"auto"``, bf16 where the device (its type) computes with it.

    Else it is fp32: processors without bf16 emulate it, and take some twenty times as long.
    """
    if wanted != "auto":
        return wanted
    return "bf16" if _computes_with_bf16(device) else "fp32"


def tokens_at_once(device: str, width: int) -> int:
    """Return how many tokens of states of so many numbers are best encoded together.

    On a CPU activations of more do not fit a core's cache; a GPU takes what its memory holds.
    """
    if not device.startswith("cuda"):
        return 1024
    free, _ = torch.cuda.mem_get_info(device)
    return int(min(max(free // (width * _BYTES_PER_STATE), 1024), 1 << 18))


def scores_at_once(device: str) -> int:
    """Return how many products of vectors (fp32) are best computed together: on a CPU 16 MiB."""
    if not device.startswith("cuda"):
        return 1 << 22
    free, _ = torch.cuda.mem_get_info(device)
    return int(min(max(free // 32, 1 << 22), 1 << 28))


@contextmanager
def whole_products(kind: str) -> Iterator[None]:
    """Multiply matrices of a kind of device in fp32, whatever autocast and TF32 allow.

    What is ranked or tied by its products needs more digits than either leaves.
    """
    with torch.autocast(kind, enabled=False), _tf32_off() if kind == "cuda" else nullcontext():
        yield


@contextmanager
def _tf32_off() -> Iterator[None]:
    allowed = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(allowed)


_BYTES_PER_STATE = 256  # of one number of a token's state through a layer, with room to spare


def _computes_with_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
