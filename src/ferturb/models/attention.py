"""CBAM spatial attention, to be put between the stages of any backbone.

Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, equation 3:

    M(F) = σ(f7×7([mean over channels of F; max over channels of F])),   F' = M(F) · F

As in the authors' released code the 7×7 convolution has no bias and is followed by batch
normalisation; channel attention is left out, since the Perturb Scheme asks only *where* a
model looks.

Padded with zeros, as theirs, a gate sees where its map ends, and on maps of 12 pixels and less that
is most of what it answers to: its values are highest outside the face. Padded with copies of the
map's outermost values it goes by what the map holds (`results/attention_on_faces.csv`).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class SpatialGate(nn.Module):
    """One value in (0, 1) per position of a feature map."""

    def __init__(
        self, padding: Literal["replicate", "zeros"] = "replicate", kernel_size: int = 7
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            2, 1, kernel_size, padding=kernel_size // 2, bias=False, padding_mode=padding
        )
        self.norm = nn.BatchNorm2d(1)

    def without_memory(self) -> SpatialGate:
        """This gate, its batch norm going by the maps that it is given, also in evaluation."""
        norm = nn.BatchNorm2d(1, track_running_stats=False)
        norm.load_state_dict({"weight": self.norm.weight, "bias": self.norm.bias})
        self.norm = norm.to(self.norm.weight.device)
        return self

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        """The gate itself; the caller multiplies."""
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        gate: Tensor = torch.sigmoid(self.norm(self.conv(summary)))
        return gate


def mean_of_gates(
    gates: list[Float[Tensor, "b 1 _ _"]], size: tuple[int, int]
) -> Float[Tensor, "b h w"]:
    """The mean of some gates, each resized (bilinear) to the input."""
    resized = [
        F.interpolate(gate.float(), size=size, mode="bilinear", align_corners=False)
        for gate in gates
    ]
    return torch.stack(resized).mean(0).squeeze(1)
