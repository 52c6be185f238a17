"""A backbone cut into a stem, stages and a tail, so that attention can sit between the stages."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


class Staged(nn.Module):
    """A backbone as a stem, stages and a tail: (b, c, h, w) -> (b, features, h', w')."""

    def __init__(
        self, stem: nn.Module, stages: Sequence[nn.Module], tail: nn.Module, features: int
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.tail = tail
        self.features = features

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f u v"]:
        """Feature maps of normalised faces."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        out: Tensor = self.tail(x)
        return out


def he_normal(network: nn.Module) -> None:
    """Start every convolution from He's normal distribution (fan out), in the modules' order."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
