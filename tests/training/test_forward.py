"""Which networks a GPU runs as one graph."""

from __future__ import annotations

import torch
from torch import nn

from ferturb.training.forward import Forward


def test_a_network_that_something_hooks_into_is_not_captured() -> None:
    """A graph would replay what the hook did in the first step, and nothing of it afterwards."""
    network, cuda = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), torch.device("cuda")
    assert Forward(network, "float32", cuda).uses_graphs
    assert not Forward(network, "float32", torch.device("cpu")).uses_graphs
    network[0].register_forward_hook(lambda *_: None)
    assert not Forward(network, "float32", cuda).uses_graphs
