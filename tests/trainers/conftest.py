"""Tiny models with random weights, and batches with the layout that workers send."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(95))]

SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"type_vocab_size": 1},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "squeezebert": {"embedding_size": 16},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 8, "cls_token_id": 2,
                   "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _no_bars() -> None:
    transformers.utils.logging.disable_progress_bar()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make the folder of a tiny model of a family; ``headless`` leaves its MLM head out."""

    @cache
    def make(family: str = "bert", *, headless: bool = False, **options: Any) -> Path:
        folder = tmp_path_factory.mktemp(family)
        config = transformers.AutoConfig.for_model(
            family, **{**SIZES, **FAMILIES.get(family, {}), **options}
        )
        torch.manual_seed(0)
        kind = transformers.AutoModel if headless else transformers.AutoModelForMaskedLM
        kind.from_config(config).save_pretrained(folder)
        _write_tokenizer(folder)
        return folder

    return make


def _write_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(
        models.WordPiece({word: i for i, word in enumerate(VOCABULARY)}, **{"unk_token": "[UNK]"})
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{name}_token": token for name, token in special.items()}
    )
    fast.save_pretrained(folder)


@pytest.fixture(scope="session")
def make_arrays() -> Callable[..., dict[str, np.ndarray]]:
    return synthetic_arrays


def synthetic_arrays(
    seed: int = 0,
    *,
    sentences: int = 4,
    length: int = 12,
    concepts: int = 5,
    relations: int = 3,
    per_sentence: int = 2,
    negatives: int = 3,
    further: int = 0,
) -> dict[str, np.ndarray]:
    """Draw a batch: stars of up to three neighbours around each mention, some concepts repeated.

    The first hard negative is a concept that may be mentioned as well.
    """
    random = np.random.default_rng(seed)
    lengths = random.integers(6, length + 1, sentences)
    lengths[0] = length
    mask = (np.arange(length) < lengths[:, None]).astype(np.uint8)
    ids = np.where(mask, random.integers(5, len(VOCABULARY), mask.shape), 0).astype(np.int32)
    chosen = (random.random(mask.shape) < 0.2) & (mask == 1)
    chosen[0, 2] = True
    labels = np.where(chosen, ids, -100).astype(np.int32)
    ids[chosen] = 4
    tokens, sizes, labels_of_concepts = [], [], []
    for row in range(sentences):
        for concept in random.choice(concepts, per_sentence, replace=False):
            size = int(random.integers(1, 4))
            columns = random.choice(np.arange(1, lengths[row] - 1), size, replace=False)
            tokens.append(row * length + np.sort(columns))
            sizes.append(size)
            labels_of_concepts.append(1_000_003 * (concept + 1))
    mentions = len(sizes)
    first_further = mentions + negatives
    roots = first_further + further
    degrees = random.integers(0, 4, roots)
    nodes, edges = roots + int(degrees.sum()), int(degrees.sum())
    names = max(2, nodes // 2)
    negative_concepts = 1_000_003 * np.array([1, *range(100, 99 + negatives)], dtype=np.int64)
    further_concepts = 1_000_003 * np.arange(200, 200 + further, dtype=np.int64)
    name_lengths = random.integers(3, 7, names)
    name_mask = (np.arange(name_lengths.max()) < name_lengths[:, None]).astype(np.uint8)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": labels,
        "mention_tokens": np.concatenate(tokens).astype(np.int32),
        "mention_offsets": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
        "mention_concept": np.array(labels_of_concepts, dtype=np.int64),
        "negative_concept": negative_concepts[:negatives],
        "name_input_ids": (random.integers(5, len(VOCABULARY), name_mask.shape) * name_mask).astype(
            np.int32
        ),
        "name_attention_mask": name_mask,
        "node_name": random.integers(0, names, nodes).astype(np.int32),
        "node_concept": np.concatenate(
            [
                labels_of_concepts,
                negative_concepts[:negatives],
                further_concepts,
                np.arange(nodes - roots),
            ]
        ).astype(np.int64),
        "edge_index": np.stack(
            [np.arange(roots, nodes), np.repeat(np.arange(roots), degrees)]
        ).astype(np.int32),
        "edge_type": random.integers(0, 2 * relations, edges).astype(np.int32),
        "target_node": np.arange(mentions, dtype=np.int32),
        "negative_node": np.arange(mentions, first_further, dtype=np.int32),
        "further_node": np.arange(first_further, roots, dtype=np.int32),
        "pair_concept": np.concatenate([labels_of_concepts, further_concepts]).astype(np.int64),
        "name_pairs": random.integers(0, names, (2, mentions + further)).astype(np.int32),
        "mention_name": random.integers(0, names, mentions).astype(np.int32),
        "lost_mentions": np.array([1], dtype=np.int32),
    }


@pytest.fixture
def settings_text(tiny_model: Callable[..., Path]) -> Callable[..., dict[str, Any]]:
    """A small configuration as data, with sections replaced by keyword."""

    def make(**sections: dict[str, Any]) -> dict[str, Any]:
        config: dict[str, Any] = {
            "name": "tiny",
            "model": {"base": str(tiny_model())},
            "graph_encoder": {"layers": 2},
            "data": {"batch_size": 4, "max_length": 12},
            "run": {"device": "cpu", "precision": "fp32"},
        }
        for name, values in sections.items():
            config[name] = {**config.get(name, {}), **values}
        return json.loads(json.dumps(config))

    return make
