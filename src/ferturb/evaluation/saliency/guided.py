"""Guided backpropagation's rule for ReLUs, in any network.

Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR workshop 2015. On
its way back through y = max(x, 0) a gradient passes where the ReLU was open, as always, and only
if it is positive itself:

    dL/dx = dL/dy · [x > 0] · [dL/dy > 0]

captum's `GuidedBackprop` puts hooks on `nn.ReLU` modules, so that it misses the ReLUs that a
network calls as functions, as most of those here do, and fails on those that work in place. Here
torch's ReLU functions themselves follow the rule while `GuidedReLUs` is open: modules, functions
and methods alike, in place or not. Sigmoids (gates), SiLU and GELU keep their own derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class GuidedReLUs(TorchFunctionMode):
    """While it is open, ReLUs follow the rule; `count` says how many were met."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = function(*args, **(kwargs or {}))
        if function in _RELUS:
            self.count += 1
            if found.requires_grad:  # torch's own rule follows: where the ReLU was open
                found.register_hook(lambda gradient: gradient.clamp_min(0))
        return found


_RELUS: frozenset[Any] = frozenset(
    (F.relu, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_)
)
