"""The language model: token states, pooled names, and its own masked-token head."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForMaskedLM, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging as transformers_logging

from bali_platform.base.errors import BaliError, UsageError
from bali_trainers.models.bases import require_model, resolve_base, usable_positions
from bali_trainers.models.packing import Packing, packed_inputs, padded_inputs

Mask = Tensor | Packing | None
PREDICTED_AT_ONCE = 1024  # tokens whose logits are in memory together under gradient caching


class TextEncoder(nn.Module):
    """Any Hugging Face encoder with a masked-language-model head.

    Args:
        model: A ``...ForMaskedLM`` model; its head is used as it is.
        fresh: Names of its parameters that no checkpoint supplied.
        recompute: Keep no activations of a call, but compute them again in the backward pass:
            memory follows the largest call and not their sum (gradient caching). The result is
            the same.
    """

    def __init__(
        self, model: PreTrainedModel, fresh: frozenset[str], *, recompute: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.fresh = fresh
        self.recompute = recompute
        self._encode: Callable[..., Tensor] = self._plain
        self._compiled = False

    def compile_encoder(self, backend: str = "inductor") -> None:
        """Compile the encoder for any batch and length, with a backend of ``torch.compile``."""
        self._encode = torch.compile(self._plain, dynamic=True, backend=backend)
        self._compiled = True

    @property
    def width(self) -> int:
        """Size of a token state."""
        return int(self.model.config.hidden_size)

    @property
    def positions(self) -> int:
        """Most tokens of a text that it has positions for."""
        return usable_positions(self.model.config.to_dict())

    @property
    def dense_weights(self) -> int:
        """Weights of the encoder's linear maps: what every token is multiplied with."""
        modules = self.model.base_model.modules()
        return sum(m.weight.numel() for m in modules if isinstance(m, nn.Linear))

    def forward(
        self, input_ids: Tensor, attention_mask: Mask, segments: Tensor | None = None
    ) -> Tensor:
        """Encode ``[B, L]`` token ids into states ``[B, L, d]``; without mask, all are tokens.

        ``segments`` ``[B, L]`` tell the second text of a pair from the first, to models that ask.
        """
        if isinstance(attention_mask, Packing):
            states = self._encode(**packed_inputs(self.model, input_ids, attention_mask))
            return states.flatten(0, 1)[attention_mask.place]
        if attention_mask is None and self._compiled:
            # Texts without a mask would be compiled apart, and torch gives up after a few times.
            attention_mask = torch.ones_like(input_ids)
        inputs = padded_inputs(self.model, input_ids, attention_mask)
        if segments is not None and getattr(self.model.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = segments
        return self._encode(**inputs)

    def states(self, input_ids: Tensor, attention_mask: Mask, positions: Tensor) -> Tensor:
        """Return the states ``[P, d]`` of flat token positions (row * L + column), in their order.

        Positions may repeat and come in any order.
        """
        return self._maybe_recomputed(self._select, input_ids, attention_mask, positions)

    def pooled(self, input_ids: Tensor, attention_mask: Mask) -> Tensor:
        """Return the mean state ``[N, d]`` of every row of ``[N, L]`` token ids."""
        return self._maybe_recomputed(self._mean, input_ids, attention_mask)

    def first(self, input_ids: Tensor, attention_mask: Mask) -> Tensor:
        """Return the first token's state ``[N, d]`` of every row of ``[N, L]`` token ids."""
        starts = torch.arange(input_ids.shape[0], device=input_ids.device) * input_ids.shape[1]
        return self.states(input_ids, attention_mask, starts)

    def vocabulary_logits(self, states: Tensor) -> Tensor:
        """Run the checkpoint's own head on token states: ``[P, d]`` to ``[P, vocabulary]``."""
        with _answering(self.model.base_model, BaseModelOutput(last_hidden_state=states[None])):
            logits: Tensor = self.model(input_ids=None).logits
        return logits[0]

    def recover(self, states: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Sum the cross-entropy of labels ``[P]`` given states ``[P, d]``, and count the hits."""
        size = PREDICTED_AT_ONCE if self.recompute else max(len(labels), 1)
        parts = [
            self._maybe_recomputed(
                self._recover, states[first : first + size], labels[first : first + size]
            )
            for first in range(0, max(len(labels), 1), size)
        ]
        total, hits = torch.stack(parts).sum(0)
        return total, hits.detach()

    def _recover(self, states: Tensor, labels: Tensor) -> Tensor:
        logits = self.vocabulary_logits(states).float()
        hits = (logits.detach().argmax(1) == labels).sum().float()
        return torch.stack([functional.cross_entropy(logits, labels, reduction="sum"), hits])

    def _plain(self, **inputs: object) -> Tensor:
        states: Tensor = self.model.base_model(**inputs).last_hidden_state
        return states

    def _select(self, input_ids: Tensor, mask: Mask, positions: Tensor) -> Tensor:
        return self.forward(input_ids, mask).flatten(0, 1)[positions].float()

    def _mean(self, input_ids: Tensor, attention_mask: Mask) -> Tensor:
        states = self.forward(input_ids, attention_mask).float()
        if attention_mask is None:
            return states.mean(1)
        real = attention_mask.mask if isinstance(attention_mask, Packing) else attention_mask
        mask = real[:, :, None].to(states.dtype)
        return (states * mask).sum(1) / mask.sum(1)

    def _maybe_recomputed(self, function: Callable[..., Tensor], *tensors: Mask) -> Tensor:
        if self.recompute and torch.is_grad_enabled():
            result: Tensor = checkpoint(function, *tensors, use_reentrant=False)
            return result
        return function(*tensors)


@contextmanager
def _answering(module: nn.Module, output: BaseModelOutput) -> Iterator[None]:
    """Let ``module`` answer with ``output``, so that a model's head can be run on its own.

    Every family in transformers computes ``head(base_model(...))`` but names its head otherwise.
    """
    vars(module)["forward"] = lambda *_, **__: output
    try:
        yield
    finally:
        del vars(module)["forward"]


def load_text_encoder(base: str, *, recompute: bool = False) -> TextEncoder:
    """Load an encoder and its masked-language-model head.

    A checkpoint without such a head gets its family's own, with the decoder tied to the word
    embeddings and the rest drawn from torch's generator.
    """
    source = resolve_base(base)
    require_model(base)
    if Path(source).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        with quiet():
            model, found = AutoModelForMaskedLM.from_pretrained(
                source, dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, SafetensorError, UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0]
        # The hub may answer later; a folder stays as it is.
        kind = UsageError if Path(source).is_dir() else BaliError
        raise kind(f"model '{base}' could not be loaded: {reason}") from None
    prefix = f"{model.base_model_prefix}."
    fresh = frozenset(found["missing_keys"])
    lost = sorted(name for name in fresh if name.startswith(prefix) and ".pooler." not in name)
    if lost:
        raise UsageError(f"model '{base}' lacks weights of its encoder, among them {lost[0]}")
    return TextEncoder(model, fresh, recompute=recompute)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' bars and loading report off the console: we check what was missing."""
    level, bars = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
