"""LoRA adapters that people have, merged into the model that they adapt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from transformers import AutoTokenizer

from bali_platform.base.errors import UsageError
from bali_trainers.export.folder import replacing, write_modules
from bali_trainers.models.adapting import apply_adapters
from bali_trainers.models.bases import described
from bali_trainers.models.text import load_text_encoder, quiet


def holds_adapters(folder: Path) -> bool:
    """Whether a folder holds what PEFT has saved."""
    return (folder / "adapter_config.json").is_file()


def export_merged(adapters: Path, folder: Path) -> None:
    """Write the base of LoRA adapters to ``folder``, with them merged into its weights.

    The base is the one that they name; so are its tokenizer and its pooling of names. Raises
    :class:`UsageError` for adapters of another kind, and for a base that they do not fit.
    """
    told = json.loads((adapters / "adapter_config.json").read_bytes())
    base = told.get("base_model_name_or_path")
    if told.get("peft_type") != "LORA" or not base:
        raise UsageError(f"{adapters} holds no LoRA adapters that name their base")
    text = load_text_encoder(base)
    apply_adapters(text, adapters)
    with replacing(folder) as building:
        with quiet():
            text.model.save_pretrained(building)
        AutoTokenizer.from_pretrained(described(base)).save_pretrained(building)
        write_modules(building, text.width, min(text.positions, 512))
        if (pooling := described(base) / "1_Pooling").is_dir():
            shutil.copytree(pooling, building / pooling.name, dirs_exist_ok=True)
