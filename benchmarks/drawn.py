"""Batches like those of PubMed sentences, drawn from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bali_platform.streaming import Arrays

RELATIONS = 200


def draw_batch(random: np.random.Generator, sentences: int, vocabulary: int) -> Arrays:
    """Draw a batch with the lengths and counts of PubMed: 32 pieces, two mentions a sentence."""
    lengths = np.clip(random.lognormal(3.4, 0.4, sentences), 8, 128).astype(int)
    ids, mask = draw_rows(random, lengths, vocabulary)
    chosen = (random.random(ids.shape) < 0.15) & (mask == 1)
    chosen[:, 1] = True
    labels = np.where(chosen, ids, -100).astype(np.int32)
    row = np.repeat(np.arange(sentences), 2)
    first = 1 + (random.random(len(row)) * (lengths[row] - 4)).astype(int)
    tokens = (row * ids.shape[1] + first)[:, None] + np.arange(2)
    concepts = random.integers(0, 50_000, len(row))
    mentions, neighbours = len(row), 3 * len(row)
    nodes = mentions + neighbours
    name_ids, name_mask = draw_rows(random, random.integers(3, 16, nodes), vocabulary)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": labels,
        "mention_tokens": tokens.ravel().astype(np.int32),
        "mention_offsets": (2 * np.arange(mentions + 1)).astype(np.int32),
        "mention_concept": concepts,
        "negative_concept": np.empty(0, np.int64),
        "lost_mentions": np.zeros(1, np.int32),
        "name_input_ids": name_ids,
        "name_attention_mask": name_mask,
        "node_name": np.arange(nodes, dtype=np.int32),
        "node_concept": np.concatenate([concepts, random.integers(0, 600_000, neighbours)]),
        "edge_index": np.stack(
            [np.arange(mentions, nodes), np.repeat(np.arange(mentions), 3)]
        ).astype(np.int32),
        "edge_type": random.integers(0, 2 * RELATIONS, neighbours).astype(np.int32),
        "target_node": np.arange(mentions, dtype=np.int32),
        "negative_node": np.empty(0, np.int32),
        "further_node": np.empty(0, np.int32),
        "mention_name": np.arange(mentions, dtype=np.int32),
        "pair_concept": np.empty(0, np.int64),
        "name_pairs": np.empty((2, 0), np.int32),
    }


def draw_rows(
    random: np.random.Generator, lengths: NDArray[Any], vocabulary: int
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Draw rows of word pieces and their mask."""
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = random.integers(1000, vocabulary, mask.shape) * mask
    return ids.astype(np.int32), mask.astype(np.uint8)


def linearised(arrays: Arrays) -> Arrays:
    """Write each mention's name and those of its neighbours into one row."""
    mentions = len(arrays["target_node"])
    parts = [arrays["name_input_ids"][:mentions]]
    around = arrays["name_input_ids"][mentions:].reshape(mentions, -1)
    ids = np.concatenate([*parts, around], axis=1)
    lengths = (ids > 0).sum(axis=1)
    mask = np.arange(lengths.max()) < lengths[:, None]
    packed = np.zeros(mask.shape, np.int32)
    packed[mask] = ids[ids > 0]
    kept = {k: v for k, v in arrays.items() if not k.startswith(("name_", "node_", "edge_"))}
    return kept | {"graph_input_ids": packed, "graph_attention_mask": mask.astype(np.uint8)}
