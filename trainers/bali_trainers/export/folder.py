"""A trained model as a plain Hugging Face folder, with its graph encoder in a folder inside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoTokenizer

from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_folder
from bali_platform.base.settings import load_settings
from bali_trainers.batches.places import find_tokenizer
from bali_trainers.batches.spec import DataSpec
from bali_trainers.export.card import model_card
from bali_trainers.models.adapting import merge_adapters, mix_with_base
from bali_trainers.models.saved_graph import save_graph_encoder
from bali_trainers.models.text import load_text_encoder, quiet
from bali_trainers.training.checkpoints import Checkpoint, open_checkpoint
from bali_trainers.training.config import Config, parse_config
from bali_trainers.training.joint_model import Task, build_task
from bali_trainers.training.journal import rows_until


def export_model(
    task: Task, config: Config, spec: DataSpec, metrics: Mapping[str, Any], folder: Path
) -> None:
    """Write language model, tokenizer, graph encoder and model card to ``folder``.

    Adapters are merged into the weights first, then the base's share is mixed in. The folder loads
    with ``AutoModel``, ``AutoModelForMaskedLM`` and ``SentenceTransformer``; its ``graph_encoder``
    with :func:`~bali_trainers.models.saved_graph.load_graph_encoder`. One that exists is replaced
    once the new one is whole.
    """
    with replacing(folder) as building:
        merge_adapters(task.text.model)
        if share := config.optimiser.base_share:
            mix_with_base(task.text, load_text_encoder(config.model.base), share)
        with quiet():
            task.text.model.save_pretrained(building)
        tokenizer = find_tokenizer(spec, load_settings())
        AutoTokenizer.from_pretrained(tokenizer).save_pretrained(building)
        write_modules(building, task.text.width, spec.max_length)
        save_graph_encoder(task, config, spec, building)
        (building / "README.md").write_text(model_card(config, spec, metrics), encoding="utf-8")


def export_checkpoint(checkpoint: Path, folder: Path) -> None:
    """Export what is in a checkpoint's folder, see :func:`export_model`.

    Raises :class:`BaliError` when the checkpoint is damaged.
    """
    opened = open_checkpoint(checkpoint)
    facts = opened.facts
    config = parse_config(facts["config"], str(checkpoint / "state.json"))
    # The backends share their weights, and PyG is always there.
    encoder = config.graph_encoder.model_copy(update={"backend": "pyg"})
    spec = DataSpec.model_validate(facts["spec"])
    task = build_task(
        config.model_copy(update={"graph_encoder": encoder}), len(spec.relation_types)
    )
    tensors = load_file(checkpoint / "model.safetensors")
    if (checkpoint / "average.safetensors").exists():
        tensors |= load_file(checkpoint / "average.safetensors")
    # Tied weights are stored once, under one of their names.
    unknown = task.load_state_dict(tensors, strict=False).unexpected_keys
    if unknown:
        raise BaliError(f"{checkpoint} does not fit model '{config.model.base}': {unknown[0]}")
    export_model(task, config, spec, _metrics(opened), folder)


def _metrics(checkpoint: Checkpoint) -> dict[str, float]:
    """Return the last metrics that the run reported before its checkpoint."""
    path = checkpoint.folder.absolute().parent.parent / "metrics.jsonl"
    rows = list(rows_until(path, checkpoint.step)) if path.exists() else []
    return rows[-1] if rows else {}


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill, which takes the place of ``folder`` once it is whole.

    Raises :class:`BaliError` when it cannot be written; nothing half-written stays.
    """
    try:
        with new_folder(folder) as building:
            yield building
    except (OSError, SafetensorError) as error:
        raise BaliError(f"model could not be written to {folder} ({error})") from None


def write_modules(folder: Path, width: int, max_length: int) -> None:
    """Write what sentence-transformers reads: encode, then take the mean of the token states."""
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
        ("config_sentence_transformers.json", {"similarity_fn_name": "cosine"}),
    ):
        (folder / path).write_text(json.dumps(content, indent=2), encoding="utf-8")
