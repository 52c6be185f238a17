"""The forward pass of a training step; on a GPU as a CUDA graph.

Small faces leave a GPU waiting for the next kernel: a step of ResNet-18 on 64 faces is some
hundred kernels of a few microseconds each, which Python can't launch as fast as they are done. A
CUDA graph launches them all at once, forward and backward (`torch.cuda.make_graphed_callables`).
The arithmetic is the same. One graph for each shape of input, captured when that shape first comes.
A network that can't be captured (it waits for the device or sends something there) is launched
kernel by kernel.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ferturb.base.errors import first_line
from ferturb.models.precision import autocast, autocast_dtype
from ferturb.training.team import PLAIN, How

SWITCH = "FERTURB_CUDA_GRAPHS"
"""Set to 0 in the environment, every step is launched kernel by kernel."""


class Forward:
    """Inputs to float32 logits of a network in training mode, in the recipe's precision."""

    def __init__(
        self, model: nn.Module, precision: str, device: torch.device, how: How = PLAIN
    ) -> None:
        self.team = how.team
        self.model = self.team.wrapped(model)
        if how.compiled:
            self.model = cast(nn.Module, torch.compile(self.model))
        self.precision = precision
        self.device = device
        self.graphs: dict[tuple[int, ...], Callable[[Tensor], Tensor]] = {}
        wanted = device.type == "cuda" and os.environ.get(SWITCH, "1") != "0"
        wanted = wanted and self.model is model  # neither compiled nor one of several
        self.uses_graphs = wanted and not _hooked(model)  # a graph would replay the first step's

    def __call__(
        self, inputs: Float[Tensor, "v c h w"], faces: int | None = None
    ) -> Float[Tensor, "v e"]:
        """The logits of all heads side by side, with gradients to the network's weights.

        `faces`, where not every input is a face's only one, is how many there are.
        """
        faces = faces or len(inputs)
        return self.team.whole(self._logits(self.team.own(inputs, faces)), faces)

    def _logits(self, inputs: Float[Tensor, "v c h w"]) -> Float[Tensor, "v e"]:
        if not self.uses_graphs:
            with autocast(self.precision, self.device):
                logits: Tensor = self.model(inputs).float()
            return logits
        shape = tuple(inputs.shape)
        if shape not in self.graphs:
            try:
                self.graphs[shape] = self._captured(inputs)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                self.uses_graphs = False
                warnings.warn(
                    f"steps are launched kernel by kernel, which is slower, since a graph of them "
                    f"could not be captured ({first_line(error)})",
                    stacklevel=2,
                )
                return self._logits(inputs)
        return self.graphs[shape](inputs)

    def _captured(self, inputs: Tensor) -> Callable[[Tensor], Tensor]:
        """The network as a graph; running statistics and the random state are as before the
        capture, and its parts keep their modes: a frozen backbone is in evaluation mode."""
        before = [buffer.clone() for buffer in self.model.buffers()]
        network = _WithCast(self.model, autocast_dtype(self.precision, self.device))
        try:
            with torch.random.fork_rng(devices=[self.device]):
                graph: Any = torch.cuda.make_graphed_callables(
                    network, (inputs.clone(),), allow_unused_input=True
                )
        finally:
            with torch.no_grad():
                for buffer, value in zip(self.model.buffers(), before, strict=True):
                    buffer.copy_(value)
        return cast(Callable[[Tensor], Tensor], graph)


def _hooked(model: nn.Module) -> bool:
    """Whether something is to happen in Python during each forward pass."""
    return any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


class _WithCast(nn.Module):
    """A network within autocast; a graph may not share autocast's cache of cast weights."""

    def __init__(self, model: nn.Module, dtype: torch.dtype | None) -> None:
        super().__init__()
        self.model = model
        self.dtype = dtype

    def forward(self, inputs: Tensor) -> Tensor:
        used = self.dtype is not None
        with torch.autocast("cuda", dtype=self.dtype, enabled=used, cache_enabled=False):
            return cast(Tensor, self.model(inputs)).float()
