"""A training step computes where the network is: nothing is made elsewhere and sent there."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ferturb.base.config import ModelConfig
from ferturb.models.backbones import BACKBONES
from ferturb.models.classifier import Classifier

HERE = torch.device("meta")
"""In place of a GPU: what meets a tensor of the CPU there would wait for a copy."""


class _Elsewhere(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The operations that touch another device's tensors."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, torch.Tensor)]
        if any(x.device != HERE for x in tensors):
            self.found.add(str(func))
        return out


LARGER = ("emonext-small", "emonext-base", "emonext-large", "emonext-xlarge", "dpn92", "resnet34")
"""Of a kind that a smaller one shows."""
NETWORKS = [n for n in BACKBONES if n not in LARGER and not n.startswith("two-stage")]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_computes_on_its_own_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to a GPU in each step makes the program wait, and no CUDA graph can hold it."""
    # autocast knows no such device; it decides types, not places.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    with HERE:
        network = Classifier(ModelConfig(name)).to(HERE).train()
        faces = torch.zeros(4, 1, 48, 48)
    with _Elsewhere() as elsewhere:
        network(faces)
    assert not elsewhere.found


def test_the_measure_sees_what_is_made_elsewhere() -> None:
    """Its own control."""

    class Sends(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * torch.linspace(0, 1, 48).to(x)

    with _Elsewhere() as elsewhere:
        Sends()(torch.zeros(2, 48, device=HERE))
    assert elsewhere.found
