from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from ferturb.base.config import RecipeConfig
from ferturb.base.errors import FerturbError
from ferturb.base.tensors import load_tensors, save_tensors
from ferturb.training.checkpoint import Epoch, State, load_checkpoint, save_checkpoint
from ferturb.training.optimizer import optimizer_state

HISTORY = [
    Epoch(1, 1.9, 0.2, 1.8, 1 / 3, 0.1, 2.5),
    Epoch(2, 0.1 + 0.2, 0.3, 1.7, 2 / 7, 1e-17, 3.5),
]


def network(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU())


def state(decay: float = 0.9, seed: int = 0, steps: int = 2, width: int = 3) -> State:
    torch.manual_seed(seed)
    model = network(width).to(memory_format=torch.channels_last)
    made = State.fresh(model, RecipeConfig(learning_rate=0.1, average=decay))
    for step in range(steps):
        made.optimizer.zero_grad()
        model(torch.randn(4, 1, 8, 8)).square().mean().backward()
        made.optimizer.step()
        made.average.update(model, step)
    if steps:
        made.history += HISTORY
    return made


def assert_same(first: nn.Module, second: nn.Module) -> None:
    other = second.state_dict()
    for key, value in first.state_dict().items():
        assert torch.equal(value, other[key]), key


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_round_trip_is_exact(tmp_path: Path, decay: float) -> None:
    path = tmp_path / "c.safetensors"
    made, other = state(decay), state(decay, seed=1, steps=0)
    save_checkpoint(path, made, "abc")
    load_checkpoint(path, other, "abc")
    assert other.history == HISTORY
    assert_same(made.model, other.model)
    assert_same(made.average.model, other.average.model)
    remembered, again = (optimizer_state(s.optimizer) for s in (made, other))
    assert remembered.keys() == again.keys() == {f"momentum/{i}" for i in range(4)}
    for key, value in remembered.items():
        assert torch.equal(value, again[key])
    names = load_tensors(path)[0]
    assert any(n.startswith("average/") for n in names) is (decay > 0)


def refused(path: Path, match: str, width: int = 3, fingerprint: str = "abc") -> None:
    with pytest.raises(FerturbError, match=match) as caught:
        load_checkpoint(path, state(seed=1, steps=0, width=width), fingerprint)
    assert "\n" not in str(caught.value)


def test_foreign_checkpoints_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, state(), "abc")
    refused(path, "another run .*expected xyz, got abc", fingerprint="xyz")
    refused(path, "not a checkpoint of this network", width=4)
    save_tensors(path, {"x": torch.zeros(1)}, {"format": "something"})
    refused(path, "another run")


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    marker = tmp_path / "executed"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (marker,))  # type: ignore[return-value]

    path.write_bytes(pickle.dumps(Bomb()))
    refused(path, "never unpickles")
    torch.save({"x": torch.zeros(2)}, path)
    refused(path, "never unpickles")
    assert not marker.exists()


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_a_flipped_bit_is_never_resumed(tmp_path: Path, where: float) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, state(), "abc")
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 4
    path.write_bytes(bytes(data))
    refused(path, "c.safetensors is (damaged|not a safetensors file)")


@pytest.mark.parametrize(
    "history", [None, 3, [None], [{"epoch": 1}], [{"epoch": "1"}], [{"colour": 2}]]
)
def test_a_foreign_history_is_refused(tmp_path: Path, history: object) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, state(), "abc")
    tensors, meta = load_tensors(path)
    save_tensors(path, tensors, {**meta, "history": history})
    refused(path, r"c\.safetensors")
    save_tensors(path, {k: v for k, v in tensors.items() if "weight" not in k}, meta)
    refused(path, "not a checkpoint of this network")


@pytest.mark.parametrize("keep", [0, 4, 200, -1])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, state(), "abc")
    path.write_bytes(path.read_bytes()[:keep])
    refused(path, "not a safetensors file")
