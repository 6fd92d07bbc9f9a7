"""Training a part of a language model, or keeping a part of what it was."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from bali_platform.base.errors import UsageError
from bali_trainers.models.text import TextEncoder


def freeze_layers(text: TextEncoder, count: int) -> None:
    """Take the embeddings and the first ``count`` transformer layers out of training."""
    layers = transformer_layers(text)
    if count > len(layers):
        raise UsageError(f"[model] frozen_layers = {count}: the model has {len(layers)} layers")
    for module in (text.model.base_model.embeddings, *layers[:count]):
        module.requires_grad_(False)


def transformer_layers(text: TextEncoder) -> list[nn.Module]:
    """Return the layers of the encoder, first to last, whatever its family calls them."""
    depth = text.model.config.num_hidden_layers
    return next(
        list(module)
        for module in text.model.base_model.modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    )


def add_adapters(text: TextEncoder, rank: int) -> None:
    """Freeze the encoder and add low-rank adapters (LoRA, Hu et al., 2021) to its linear maps."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise UsageError("[model] lora_rank needs peft: pip install 'bali[lora]'") from None
    base = text.model.base_model
    linears = [name for name, module in base.named_modules() if isinstance(module, nn.Linear)]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linears), base)
    text.fresh |= {name for name, _ in text.model.named_parameters() if ".lora_" in name}


def apply_adapters(text: TextEncoder, folder: Path) -> None:
    """Merge the LoRA adapters that PEFT has saved in ``folder`` into the weights they adapt.

    They may have been trained with a head, as ``AutoModelForMaskedLM`` has one, or without.
    """
    try:
        from peft import PeftModel, get_peft_model_state_dict, load_peft_weights
    except ImportError:
        raise UsageError("merging adapters needs peft: pip install 'bali[lora]'") from None
    model = text.model
    saved = load_peft_weights(str(folder), device="cpu")
    below = f"base_model.model.{model.base_model_prefix}."
    headed = any(name.startswith(below) for name in saved)
    try:
        with warnings.catch_warnings(action="ignore"):  # what is missing is found below
            adapted = PeftModel.from_pretrained(model if headed else model.base_model, str(folder))
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"{folder} does not fit its base: {str(error).splitlines()[0]}") from None
    lost = set(get_peft_model_state_dict(adapted)) - set(saved)
    if lost or not saved:
        raise UsageError(f"{folder} does not fit its base: it lacks {min(lost, default='weights')}")
    adapted.merge_and_unload()


@torch.no_grad()
def merge_adapters(model: PreTrainedModel) -> None:
    """Add the adapters' products to the weights that they adapt, and remove them."""
    if not any(".lora_" in name for name, _ in model.named_parameters()):
        return
    from peft.tuners.tuners_utils import BaseTunerLayer

    base = model.base_model
    for name, module in list(base.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            base.set_submodule(name, module.get_base_layer())


@torch.no_grad()
def mix_with_base(text: TextEncoder, base: TextEncoder, share: float) -> None:
    """Move every weight that ``base`` supplied by ``share`` of the way back.

    So do Wortsman et al. (2022). Weights of which the checkpoint had none stay as they are.
    Adapters must be merged before.
    """
    before = dict(base.model.named_parameters())
    for name, weight in text.model.named_parameters():
        if name not in base.fresh:
            weight.lerp_(before[name].to(weight), share)
