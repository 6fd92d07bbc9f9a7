"""Several texts in one row of tokens, none of which sees another: no padding is computed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from bali_platform.base.errors import UsageError
from bali_trainers.models.bases import PACKABLE

ROW = 128
"""Tokens of a packed row, or as many as the longest text has."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Where the tokens of ``n`` texts of at most L, ``[n, L]``, go in R rows of W places.

    Attributes:
        mask: 1 where there is a token, ``[n, L]``.
        token: The token (``text * L + column``) in each place, ``[R, W]``; 0 where there is none.
        text: Number, from 1, of the text that a place belongs to, ``[R, W]``; 0 for none.
        column: Its column there, ``[R, W]``.
        place: Place (``row * W + column``) of each token, ``[n, L]``; 0 for padding.
    """

    mask: Tensor
    token: Tensor
    text: Tensor
    column: Tensor
    place: Tensor


def pack(mask: NDArray[np.uint8]) -> Packing:
    """Put texts, shortest first, whole into as few rows as first fit, longest first, gives."""
    count, longest = mask.shape
    lengths = mask.sum(axis=1, dtype=np.int64)
    width = max(ROW, longest)
    row, start = _first_fit(lengths, width)
    text, column = np.nonzero(mask.view(np.bool_))
    place = row[text] * width + start[text] + column
    slots = (int(row.max()) + 1) * width
    token, owner, own_column = np.zeros((3, slots), dtype=np.int64)
    token[place], owner[place], own_column[place] = text * longest + column, text + 1, column
    places = np.zeros((count, longest), dtype=np.int64)
    places[text, column] = place
    return Packing(
        mask=torch.from_numpy(mask),
        token=torch.from_numpy(token.reshape(-1, width)),
        text=torch.from_numpy(owner.reshape(-1, width)),
        column=torch.from_numpy(own_column.reshape(-1, width)),
        place=torch.from_numpy(places),
    )


def _first_fit(
    lengths: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row of each text, shortest first, and where it starts there.

    Texts of one length are placed together: each row takes as many as it has room for.
    """
    row, start = np.zeros((2, len(lengths)), dtype=np.int64)
    # All rows but one come to be more than half full.
    free = np.full(2 * lengths.sum() // width + 1, width)
    bounds = [0, *(np.flatnonzero(np.diff(lengths)) + 1).tolist(), len(lengths)]
    for first, last in reversed([*pairwise(bounds)]):
        length = int(lengths[first])
        room = free // length
        number, ends = np.arange(last - first), room.cumsum()
        chosen = ends.searchsorted(number, side="right")
        before = number - (ends - room)[chosen]
        row[first:last], start[first:last] = chosen, width - free[chosen] + before * length
        free -= length * np.bincount(chosen, minlength=len(free))
    return row, start


def packed_inputs(model: PreTrainedModel, ids: Tensor, packing: Packing) -> dict[str, object]:
    """Return what the encoder of ``model`` is called with for texts ``[n, L]``."""
    # RoBERTa counts positions from the one after that of padding.
    first = model.config.pad_token_id + 1 if "roberta" in model.config.model_type else 0
    same = packing.text[:, None, :, None] == packing.text[:, None, None, :]
    return {
        "input_ids": ids.flatten()[packing.token],
        "attention_mask": _masks(model, same),
        "position_ids": packing.column + first,
    }


def padded_inputs(model: PreTrainedModel, ids: Tensor, mask: Tensor | None) -> dict[str, object]:
    """Return what the encoder of ``model`` is called with for padded ids ``[B, L]``.

    Of a plain mask, transformers asks whether anything is masked, and waits for a GPU to say so;
    one that is ready to use is taken as it is.
    """
    if mask is not None and packable(model):
        return {"input_ids": ids, "attention_mask": _masks(model, mask.bool()[:, None, None])}
    return {"input_ids": ids, "attention_mask": mask}


def _masks(model: PreTrainedModel, seen: Tensor) -> object:
    """Return the attention mask, or the masks, for what each token may see, ``[B, 1, *, L]``."""
    if model.config.model_type != "modernbert":
        return seen
    at = torch.arange(seen.shape[-1], device=seen.device)
    near = (at[:, None] - at).abs() <= model.config.sliding_window
    return {"full_attention": seen, "sliding_attention": seen & near}


def packable(model: PreTrainedModel) -> bool:
    """Tell whether a model's family takes positions and any mask."""
    known: bool = model.config.model_type in PACKABLE
    return known and model.config._attn_implementation == "sdpa"


def require_packable(model: PreTrainedModel) -> None:
    """Raise :class:`UsageError` for a family whose texts cannot share a row."""
    if not packable(model):
        raise UsageError(
            f"[run] packed = true: models of family '{model.config.model_type}' cannot be "
            f"packed, only those of {', '.join(PACKABLE)}: leave it out"
        )
