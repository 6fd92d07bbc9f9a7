"""Batches as bytes: safetensors, so that no payload can carry code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors.numpy import save

from bali_platform.base.errors import BaliError

Arrays = dict[str, np.ndarray[Any, Any]]

_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
_KNOWN = frozenset(_DTYPES.values())
_PREFIX = 8  # bytes of the little-endian header length


def encode(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Return the arrays as one safetensors file.

    Equal arrays give equal bytes, whatever their order in the mapping, in every process.
    """
    plain = {
        name: np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(
            array.shape
        )
        for name, array in sorted(arrays.items())
    }
    for name, array in plain.items():
        if array.dtype not in _KNOWN:
            raise BaliError(f"array '{name}' has dtype {array.dtype}, which a batch cannot hold")
    return save(plain)


def decode(payload: bytes | bytearray | memoryview) -> Arrays:
    """Return views into ``payload``, by name; nothing is copied.

    The views can be written to only when ``payload`` can. Raises :class:`BaliError` when
    ``payload`` is not a whole safetensors file.
    """
    try:
        start = _PREFIX + int.from_bytes(payload[:_PREFIX], "little")
        header = json.loads(bytes(payload[_PREFIX:start]))
        header.pop("__metadata__", None)
        return {name: _view(payload, start, entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaliError(f"not a batch of {len(payload)} bytes: {error}; build it again") from error


def _view(
    payload: bytes | bytearray | memoryview, start: int, entry: dict[str, Any]
) -> np.ndarray[Any, Any]:
    dtype = _DTYPES[entry["dtype"]]
    begin, end = entry["data_offsets"]
    count, rest = divmod(end - begin, dtype.itemsize)
    if rest or begin < 0 or count < 0 or start + end > len(payload):
        raise ValueError("an array reaches beyond its end")
    if not count:
        return np.empty(entry["shape"], dtype)
    return np.frombuffer(payload, dtype, count, start + begin).reshape(entry["shape"])
