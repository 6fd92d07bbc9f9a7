"""Linking accuracy while a model is trained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bali_trainers.batches.spec import LinkingTask
from bali_trainers.batches.tokens import WordPieces
from bali_trainers.inference.precision import tokens_at_once, whole_products
from bali_trainers.models.text import TextEncoder
from bali_trainers.training import distributed
from bali_trainers.training.config import LINKED

_TIE = 1e-5


class LinkingProbe:
    """Links the mentions of a task to the concept with the nearest name, by cosine.

    Names and mentions are read alone, as the mean of their tokens.
    """

    def __init__(
        self, asked: LinkingTask, text: TextEncoder, pieces: WordPieces, length: int
    ) -> None:
        self._text = text
        device = text.model.device
        names = list(dict.fromkeys(name for own in asked.concepts.values() for name in own))
        ids, mask = pieces.encode_names([*names, *asked.mentions], length)
        self._ids, self._mask = torch.from_numpy(ids), torch.from_numpy(mask)
        self._names = len(names)
        row, number = (
            {word: i for i, word in enumerate(words)} for words in (names, asked.concepts)
        )
        borne = [row[name] for own in asked.concepts.values() for name in own]
        sizes = np.cumsum([0, *map(len, asked.concepts.values())])
        self._borne = torch.tensor(borne, device=device)
        self._offsets = torch.from_numpy(sizes).to(device)
        right = torch.zeros(len(asked.concepts), len(asked.mentions), dtype=torch.bool)
        for mention, cuis in enumerate(asked.mentions.values()):
            right[[number[cui] for cui in cuis], mention] = True
        self._right = right.to(device)

    @torch.no_grad()
    def __call__(self) -> dict[str, float]:
        """Return the metric; of concepts that are equally near, one is picked blindly."""
        vectors = functional.normalize(self._vectors(), dim=1)
        with whole_products(vectors.device.type):
            scores = vectors[: self._names] @ vectors[self._names :].T
        nearest = torch.segment_reduce(scores[self._borne], "max", offsets=self._offsets, axis=0)
        tied = nearest >= nearest.amax(0) - _TIE
        chance = (tied & self._right).sum(0) / tied.sum(0)
        # Ranks must agree on it, and their GPUs may differ in the last bit.
        accuracy = distributed.sum_over_ranks(chance.mean()) / distributed.world_size()
        return {LINKED: float(accuracy)}

    def _vectors(self) -> Tensor:
        """Return the vectors of names and mentions, ``[N + M, d]``, encoded shortest first."""
        device = self._text.model.device
        lengths = self._mask.sum(1)
        order = lengths.argsort(stable=True)
        size = max(1, tokens_at_once(str(device), self._text.width) // int(lengths.max()))
        parts = []
        for some in order.split(size):
            longest = int(lengths[some[-1]])
            ids, mask = self._ids[some, :longest], self._mask[some, :longest]
            parts.append(self._text.pooled(ids.to(device).long(), mask.to(device).long()))
        return torch.cat(parts)[order.argsort().to(device)]
