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
from torch import Tensor
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
        kwargs = kwargs or {}
        if function in _RELUS:
            self.count += 1
            return _rectified(*args, **kwargs)
        if function in _RELUS_IN_PLACE:
            self.count += 1
            x = args[0] if args else kwargs["input"]
            return x.copy_(_rectified(x))
        return function(*args, **kwargs)


class _Rectify(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.clamp_min(0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        found: Tensor = gradients[0].clamp_min(0) * (y > 0)
        return found


def _rectified(input: Tensor, inplace: bool = False) -> Tensor:
    out: Tensor = _Rectify.apply(input)
    return out


_RELUS: frozenset[Any] = frozenset((F.relu, torch.relu, torch.Tensor.relu))
_RELUS_IN_PLACE: frozenset[Any] = frozenset((torch.relu_, torch.Tensor.relu_))
