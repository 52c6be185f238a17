"""Which networks a GPU runs as one graph."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ferturb.training.forward import Forward

CUDA = torch.device("cuda")


@pytest.fixture
def capturing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has something stand in for the capture of a graph, which takes a GPU."""

    def stands_in(capture: Callable[..., Any]) -> None:
        monkeypatch.setattr(torch.cuda, "make_graphed_callables", capture)
        monkeypatch.setattr(torch.random, "fork_rng", lambda **_: contextlib.nullcontext())

    return stands_in


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)).train()


def test_a_network_that_something_hooks_into_is_not_captured() -> None:
    """A graph would replay what the hook did in the first step, and nothing of it afterwards."""
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert Forward(network, "float32", CUDA).uses_graphs
    assert not Forward(network, "float32", torch.device("cpu")).uses_graphs
    network[0].register_forward_hook(lambda *_: None)
    assert not Forward(network, "float32", CUDA).uses_graphs


def test_a_frozen_backbone_stays_in_evaluation_mode(capturing: Callable[..., None]) -> None:
    capturing(lambda module, _, **__: module)
    network = _network()
    network[0].eval()
    Forward(network, "float32", CUDA)(torch.randn(4, 2, 2, 2))
    assert [part.training for part in network] == [False, True, True]
    assert not network[0].running_mean.any()  # type: ignore[operator]


def test_what_cannot_be_captured_is_launched_kernel_by_kernel(
    capturing: Callable[..., None],
) -> None:
    """The steps of the attempt leave nothing behind."""

    def refused(module: nn.Module, inputs: tuple[Tensor, ...], **_: object) -> None:
        module(*inputs)
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    capturing(refused)
    network, plain, faces = _network(), _network(), torch.randn(4, 2, 2, 2)
    forward = Forward(network, "float32", CUDA)
    with pytest.warns(UserWarning, match="not permitted when stream is capturing"):
        first = forward(faces)
    assert torch.equal(first, plain(faces))
    assert torch.equal(forward(faces), plain(faces))
    assert network.state_dict().keys() == plain.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name])
    assert not forward.uses_graphs


def test_too_little_memory_is_said(capturing: Callable[..., None]) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    capturing(full)
    with pytest.raises(torch.OutOfMemoryError):
        Forward(_network(), "float32", CUDA)(torch.randn(4, 2, 2, 2))
