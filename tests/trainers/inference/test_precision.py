from __future__ import annotations

import pytest
import torch

from bali_trainers.inference.precision import settle_precision


@pytest.mark.parametrize("wanted", ["fp32", "bf16", "fp16"])
def test_what_is_asked_for_stays(wanted):
    assert settle_precision(wanted, "cpu") == settle_precision(wanted, "cuda") == wanted


def test_auto_is_bf16_only_where_it_is_computed_with():
    features = torch.cpu.get_capabilities()
    fast = features.get("avx512_bf16", False) or features.get("amx_bf16", False)
    assert settle_precision("auto", "cpu") == ("bf16" if fast else "fp32")


@pytest.mark.parametrize(("able", "settled"), [(True, "bf16"), (False, "fp32")])
def test_older_gpus_emulate_bf16_and_get_fp32(monkeypatch, able, settled):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: able)
    assert settle_precision("auto", "cuda") == settled
