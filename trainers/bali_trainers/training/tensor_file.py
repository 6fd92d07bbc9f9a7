"""Tensors in a safetensors file, hashed while they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import torch
from torch import Tensor

_BLOCK = 1 << 22
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> str:
    """Write tensors of the host's memory and return the digest of the file.

    Both hashing and writing leave the interpreter to others, so that training goes on meanwhile.
    """
    digest = blake2b(digest_size=16)
    with path.open("wb") as file:
        for block in _blocks(tensors):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _blocks(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """Yield length, header and data; the header's length is a multiple of eight."""
    # The widest elements come first, so that all of them are aligned.
    names = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    header, place = {}, 0
    for name in names:
        value = tensors[name]
        end = place + value.nbytes
        shape = list(value.shape)
        header[name] = {"dtype": _DTYPES[value.dtype], "shape": shape, "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little")
    yield text
    for name in names:
        data = tensors[name].contiguous().flatten().view(torch.uint8).numpy().data
        for first in range(0, len(data), _BLOCK):
            yield data[first : first + _BLOCK]
