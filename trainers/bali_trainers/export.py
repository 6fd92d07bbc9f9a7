"""A trained text encoder as a plain Hugging Face folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoTokenizer

from bali_platform.errors import BaliError
from bali_platform.settings import load_settings
from bali_trainers.config import Config, parse_config
from bali_trainers.data.places import find_tokenizer
from bali_trainers.data.spec import DataSpec
from bali_trainers.models.adapting import add_adapters, merge_adapters
from bali_trainers.models.text import TextEncoder, load_text_encoder, quiet

__all__ = ["export_checkpoint", "export_encoder"]


def export_encoder(
    text: TextEncoder, config: Config, spec: DataSpec, metrics: Mapping[str, Any], folder: Path
) -> None:
    """Write weights, tokenizer, sentence-transformers modules and a model card to ``folder``.

    Adapters are merged into the weights first. The folder loads with ``AutoModel``,
    ``AutoModelForMaskedLM`` and ``SentenceTransformer``. One that exists is replaced once the new
    one is whole.
    """
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        merge_adapters(text.model)
        with quiet():
            text.model.save_pretrained(building)
        tokenizer = find_tokenizer(spec, load_settings().home)
        AutoTokenizer.from_pretrained(tokenizer).save_pretrained(building)
        _write_modules(building, text.width, spec.max_length)
        (building / "README.md").write_text(_card(config, spec, metrics), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    except (OSError, SafetensorError) as error:
        raise BaliError(f"model could not be written to {folder} ({error})") from None
    finally:
        shutil.rmtree(building, ignore_errors=True)


def export_checkpoint(checkpoint: Path, folder: Path) -> None:
    """Export the text encoder in a checkpoint folder, see :func:`export_encoder`."""
    state = checkpoint / "state.json"
    try:
        facts = json.loads(state.read_bytes())["facts"]
    except (OSError, ValueError, KeyError):
        raise BaliError(
            f"{checkpoint} is not a checkpoint: its state.json is missing or damaged"
        ) from None
    config = parse_config(facts["config"], str(state))
    text = load_text_encoder(config.model.base)
    if config.model.lora_rank:
        add_adapters(text, config.model.lora_rank)
    tensors = load_file(checkpoint / "model.safetensors")
    if (checkpoint / "average.safetensors").exists():
        tensors |= load_file(checkpoint / "average.safetensors")
    weights = {
        name.removeprefix("text."): value
        for name, value in tensors.items()
        if name.startswith("text.")
    }
    # Tied weights are stored once, under one of their names.
    unknown = text.load_state_dict(weights, strict=False).unexpected_keys
    if unknown:
        raise BaliError(f"{checkpoint} does not fit model '{config.model.base}': {unknown[0]}")
    export_encoder(text, config, DataSpec.model_validate(facts["spec"]), {}, folder)


def _write_modules(folder: Path, width: int, max_length: int) -> None:
    package = "sentence_transformers.models"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{package}.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{package}.Pooling"},
    ]
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling").mkdir()
    for path, content in (
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
        ("sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False}),
    ):
        (folder / path).write_text(json.dumps(content, indent=2), encoding="utf-8")


def _card(config: Config, spec: DataSpec, metrics: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in sorted(metrics.items()))
    settings = config.model_dump_json(indent=2, exclude={"data": {"replay"}})
    return f"""---
library_name: transformers
pipeline_tag: feature-extraction
tags: [bali, sentence-transformers, UMLS, knowledge-graph]
base_model: {config.model.base}
---
# {config.name}

A language model aligned with a knowledge graph by BALI (arXiv 2509.07588). A name's or a
mention's vector is the mean of its token states; compare vectors by cosine.

| | |
| --- | --- |
| base model | {config.model.base} |
| corpus | {spec.corpus.name} ({spec.corpus_sha}) |
| graph | {spec.graph_version}, {len(spec.relation_types)} relation types |
| names withheld from training | {spec.withheld:.0%} of synonyms |

Names and relations of the graph shaped these weights: the licences of its sources apply.

## Metrics at the end of training

| metric | value |
| --- | --- |
{rows}

## Settings

```json
{settings}
```
"""
