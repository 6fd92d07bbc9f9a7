from __future__ import annotations

import resource
from contextlib import contextmanager
from hashlib import blake2b

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from bali_platform.base.errors import BaliError
from bali_platform.base.files import digest_of
from bali_trainers.training.average import Average
from bali_trainers.training.checkpoints import Checkpoints, restore
from bali_trainers.training.tensor_file import write_tensors


@pytest.fixture
def checkpoints(tmp_path):
    lines = []
    made = Checkpoints(tmp_path, keep=2, facts={"identity": {"seed": 1}}, say=lines.append)
    made.lines = lines
    return made


def trained(seed=0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64))
    optimiser = torch.optim.AdamW(module.parameters(), fused=True)
    module(torch.randn(2, 64)).sin().sum().backward()
    optimiser.step()
    return module, optimiser


@contextmanager
def files_up_to(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_everything_comes_back(checkpoints):
    module, optimiser = trained()
    average = Average(module, 0.5)
    average.weights["0.weight"].fill_(3)
    checkpoints.save(4, module, optimiser, average, scaler={"scale": 2.0})
    assert checkpoints.finish() == [4]
    assert checkpoints.written() == []
    expected = torch.rand(3)

    other, other_optimiser = trained(seed=1)
    other_average = Average(other, 0.5)
    found = checkpoints.newest()
    restore(found, other, other_optimiser, other_average)
    assert (found.step, found.facts["scaler"]) == (4, {"scale": 2.0})
    assert torch.equal(torch.rand(3), expected)
    for name, value in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    for ours, theirs in zip(module.parameters(), other.parameters(), strict=True):
        assert ours is not theirs
        for key, value in optimiser.state[ours].items():
            assert torch.equal(other_optimiser.state[theirs][key], value)
    assert other_average.weights["0.weight"].eq(3).all()


def test_a_full_disk_is_one_line_and_harms_nothing(checkpoints, tmp_path):
    module, optimiser = trained()
    checkpoints.save(1, module, optimiser, scaler={})
    checkpoints.finish()
    with files_up_to(4096), pytest.raises(BaliError, match="free some space") as error:
        checkpoints.save(2, module, optimiser, scaler={})
        checkpoints.finish()
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert checkpoints.newest().step == 1


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("state.json", lambda data: data[:-5]),
        ("state.json", lambda data: data.replace(b'"format": 2', b'"format": 9')),
        ("optimiser.safetensors", lambda data: data[:-1]),
        ("random.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        ("model.safetensors", None),
    ],
)
def test_a_damaged_checkpoint_is_passed_over(checkpoints, tmp_path, file, damage):
    module, optimiser = trained()
    checkpoints.save(1, module, optimiser, scaler={})
    checkpoints.save(2, module, optimiser, scaler={})
    assert checkpoints.finish() == [1, 2]
    path = tmp_path / "step-00000002" / file
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    assert checkpoints.newest().step == 1
    (line,) = checkpoints.lines
    assert "step-00000002 is damaged" in line


def test_an_average_moves_by_its_decay():
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0)
    average = Average(module, 0.75)
    module.weight.data.fill_(4)
    average.update(100)
    average.update(101)
    assert average.weights["weight"].item() == pytest.approx(4 * (1 - 0.75**2))
    with average.applied():
        assert module.weight.item() == pytest.approx(4 * (1 - 0.75**2))
    assert module.weight.item() == 4


def test_a_short_run_is_not_averaged_with_what_it_began_with():
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(1)
    average = Average(module, 0.999)
    module.weight.data.fill_(0)
    for step in range(1, 331):
        average.update(step)
    assert average.weights["weight"].item() < 1e-6


def test_what_is_written_is_what_was_when_it_was_saved(checkpoints):
    module, optimiser = trained()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    checkpoints.save(1, module, optimiser, scaler={})
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(9)
    checkpoints.finish()
    found = load_file(checkpoints.newest().folder / "model.safetensors")
    assert all(torch.equal(found[name], value) for name, value in before.items())


@given(
    dtypes=st.lists(
        st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool]),
        max_size=6,
    ),
    sizes=st.lists(st.integers(0, 5), max_size=3),
)
def test_a_tensor_file_is_read_by_safetensors(tmp_path_factory, dtypes, sizes):
    path = tmp_path_factory.mktemp("tensors") / "some.safetensors"
    tensors = {
        f"t{number}": torch.randn(sizes).mul(9).to(dtype) for number, dtype in enumerate(dtypes)
    }
    digest = write_tensors(tensors, path)
    found = load_file(path)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    assert digest == blake2b(path.read_bytes(), digest_size=16).hexdigest() == digest_of(path)
