"""Which arithmetic a device computes fast in."""

from __future__ import annotations

from typing import Literal, TypeVar

import torch

__all__ = ["settle_precision"]

T = TypeVar("T", bound=str)


def settle_precision(wanted: T | Literal["auto"], device: str) -> T | Literal["fp32", "bf16"]:
    """Return ``wanted``; for ``"auto"``, bf16 where a type of device computes with it, else fp32.

    Processors without bf16 emulate it, and take some twenty times as long as in fp32.
    """
    if wanted != "auto":
        return wanted
    fast = device == "cuda" or (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )
    return "bf16" if fast else "fp32"
