"""Batches as bytes: what goes in comes out, in bytes that depend on nothing but the arrays."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors.numpy import load

from bali_platform.base.errors import BaliError
from bali_platform.streaming import Arrays, decode, encode

DTYPES = ["bool", "u1", "i1", "<u2", "<i2", "<f2", "<u4", "<i4", "<f4", "<u8", "<i8", "<f8"]
BATCHES = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8).filter(
        lambda name: name != "__metadata__"
    ),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, min_side=0))
    ),
    max_size=5,
)


def same(left: Arrays, right: Arrays) -> bool:
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype
        and left[name].shape == right[name].shape
        and left[name].tobytes() == right[name].tobytes()
        for name in left
    )


@given(BATCHES)
def test_decode_undoes_encode(arrays: dict[str, Any]) -> None:
    assert same(decode(encode(arrays)), arrays)


@given(BATCHES)
def test_the_bytes_are_a_safetensors_file(arrays: dict[str, Any]) -> None:
    assert same(load(encode(arrays)), arrays)


@given(BATCHES, st.randoms())
def test_order_of_the_arrays_does_not_matter(arrays: dict[str, Any], random: Any) -> None:
    names = list(arrays)
    random.shuffle(names)
    assert encode({name: arrays[name] for name in names}) == encode(arrays)


def test_big_endian_and_strided_arrays_are_stored_plainly() -> None:
    plain = np.arange(12, dtype="<i4").reshape(3, 4)
    assert encode({"a": plain.astype(">i4")}) == encode({"a": plain})
    assert encode({"a": plain.T}) == encode({"a": np.array(plain.T, order="C")})


def test_every_process_writes_the_same_bytes() -> None:
    program = (
        "import sys, numpy as np; from bali_platform.streaming import encode;"
        "sys.stdout.buffer.write(encode({n: np.arange(3) for n in 'qwertyuiop'}))"
    )
    runs = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
        for _ in range(3)
    }
    assert len(runs) == 1


def test_decoding_copies_nothing() -> None:
    payload = bytearray(encode({"a": np.zeros(4, np.int64), "b": np.ones(3, np.uint8)}))
    arrays = decode(payload)
    arrays["a"][2] = 7
    assert decode(payload)["a"].tolist() == [0, 0, 7, 0]
    assert not decode(bytes(payload))["a"].flags.writeable


def test_a_dtype_without_a_place_in_the_format_is_refused() -> None:
    with pytest.raises(BaliError, match="'name' has dtype <U3"):
        encode({"name": np.array(["abc"])})


@given(st.data())
def test_a_cut_payload_is_refused(data: st.DataObject) -> None:
    payload = encode({"a": np.arange(5), "b": np.ones((2, 2), np.float32)})
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(BaliError, match="not a batch"):
        decode(payload[:cut])


@given(st.binary(max_size=64))
def test_foreign_bytes_never_raise_anything_else(payload: bytes) -> None:
    with suppress(BaliError):
        decode(payload)
