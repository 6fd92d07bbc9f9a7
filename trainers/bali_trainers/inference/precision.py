"""Which arithmetic a device computes fast in."""

from __future__ import annotations

from typing import Literal, TypeVar

import torch

T = TypeVar("T", bound=str)


def settle_precision(wanted: T | Literal["auto"], device: str) -> T | Literal["fp32", "bf16"]:
    """Return ``wanted``; for ``"auto"``, bf16 where the device (its type) computes with it.

    Else it is fp32: processors without bf16 emulate it, and take some twenty times as long.
    """
    if wanted != "auto":
        return wanted
    return "bf16" if _computes_with_bf16(device) else "fp32"


def _computes_with_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
