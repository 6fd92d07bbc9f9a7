"""The text encoder as an ONNX graph, held against torch before anybody uses it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel

from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file
from bali_trainers.models.text import quiet

TOLERANCE = 1e-4
"""Largest difference to torch, in any number of any vector, that an exported graph may show."""

INPUTS = ("input_ids", "attention_mask")
OUTPUTS = ("last_hidden_state", "sentence_embedding")
SHAPES = ((1, 3), (3, 8), (2, 31))  # rows and tokens of what is compared


class _Vectors(nn.Module):
    """Token states, and their mean, by the names that sentence-transformers looks for."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[:, :, None].to(states.dtype)
        return states, (states * mask).sum(1) / mask.sum(1)


def export_onnx(model: Path) -> Path:
    """Write ``onnx/model.onnx`` into an exported model's folder and return its path.

    Inputs are ``input_ids`` and ``attention_mask``, int64 ``[B, L]``; outputs
    ``last_hidden_state`` ``[B, L, d]`` and ``sentence_embedding`` ``[B, d]``, the mean over tokens.
    Raises :class:`BaliError` without the extra ``onnx``, or where onnxruntime and torch differ by
    more than :data:`TOLERANCE`; nothing is left then.
    """
    _require_onnx()
    with quiet():
        encoder = AutoModel.from_pretrained(model, attn_implementation="eager")
    vectors = _Vectors(encoder).eval()
    final = model / "onnx" / "model.onnx"
    size = torch.export.Dim.DYNAMIC
    with new_file(final) as building:
        with _silenced():
            torch.onnx.export(
                vectors,
                _example(encoder.config.vocab_size, 2, 7),
                str(building),
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_shapes={name: {0: size, 1: size} for name in INPUTS},
                external_data=False,
                verbose=False,
            )
        _compare(building, vectors, encoder.config.vocab_size)
    return final


def _require_onnx() -> None:
    for name in ("onnxscript", "onnxruntime"):
        if find_spec(name) is None:
            raise BaliError(f"ONNX export needs {name}: pip install 'bali[onnx]'")


@torch.inference_mode()
def _compare(path: Path, vectors: nn.Module, vocabulary: int) -> None:
    """Run the exported graph on several shapes and raise :class:`BaliError` where it differs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    for rows, length in SHAPES:
        inputs = _example(vocabulary, rows, length)
        fed = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=True)}
        for got, wanted in zip(session.run(OUTPUTS, fed), vectors(*inputs), strict=True):
            difference = float((torch.from_numpy(got) - wanted).abs().max())
            if not difference <= TOLERANCE:
                raise BaliError(
                    f"the ONNX graph differs from torch by {difference:.1e} on {rows} rows of "
                    f"{length} tokens, more than {TOLERANCE:.0e}: use the model without ONNX"
                )


def _example(vocabulary: int, rows: int, length: int) -> tuple[Tensor, Tensor]:
    """Draw token ids, and a mask under which every row but the first is shorter."""
    generator = torch.Generator().manual_seed(rows * length)
    ids = torch.randint(vocabulary, (rows, length), generator=generator)
    lengths = torch.arange(length, length - rows, -1)
    return ids, (torch.arange(length) < lengths[:, None]).long()


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep the exporter's remarks on its own workings off the console."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
