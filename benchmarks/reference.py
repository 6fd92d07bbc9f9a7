"""The published training step, done again as the public reference code does it.

Sentences are padded to 128 word pieces and names to 32, every node's name is read for itself, the
masked-token head runs on all tokens, and losses are loops over what the formula names. Only the
weights are those of the task that it is compared with.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bali_platform.streaming import Arrays
from bali_trainers.training.joint_model import Task

SENTENCE, NAME, TEMPERATURE = 128, 32, 0.07


def reference_loss(task: Task, arrays: Arrays, weight: float) -> Tensor:
    """Return the alignment loss plus ``weight`` times that of masked tokens."""
    model = task.text.model
    length = arrays["input_ids"].shape[1]
    ids, mask = _padded(arrays["input_ids"], SENTENCE), _padded(arrays["attention_mask"], SENTENCE)
    labels = _padded(arrays["labels"], SENTENCE, -100)
    output = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    masked = functional.cross_entropy(output.logits.flatten(0, 1), labels.flatten())

    states = output.hidden_states[-1]
    positions = torch.tensor(arrays["mention_tokens"]).long()
    states = states[positions // length, positions % length]
    pairs = pairwise(arrays["mention_offsets"].tolist())
    mentions = torch.stack([states[first:last].mean(0) for first, last in pairs])

    own = arrays["node_name"]
    name_ids = _padded(arrays["name_input_ids"][own], NAME)
    name_mask = _padded(arrays["name_attention_mask"][own], NAME)
    hidden = model.base_model(input_ids=name_ids, attention_mask=name_mask).last_hidden_state
    nodes = (hidden * name_mask[:, :, None]).sum(1) / name_mask.sum(1, keepdim=True)
    graphs = task.graph(
        nodes,
        torch.tensor(arrays["edge_index"]).long(),
        torch.tensor(arrays["edge_type"]).long(),
        torch.tensor(arrays["target_node"]).long(),
    )
    concepts = torch.tensor(arrays["mention_concept"]).repeat(2)
    return _nt_xent(torch.cat([mentions, graphs]), concepts) + weight * masked


def _nt_xent(vectors: Tensor, labels: Tensor) -> Tensor:
    unit = functional.normalize(vectors)
    exponents = (unit @ unit.T / TEMPERATURE).exp()
    same = labels[:, None] == labels
    negatives = (exponents * ~same).sum(1, keepdim=True)
    losses = -(exponents / (exponents + negatives)).log()
    positive = same & ~torch.eye(len(labels), dtype=torch.bool)
    return losses[positive].mean()


def _padded(rows: NDArray[np.generic], length: int, filler: int = 0) -> Tensor:
    tensor = torch.tensor(rows).long()
    return functional.pad(tensor, (0, length - tensor.shape[1]), value=filler)
