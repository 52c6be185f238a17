"""Two networks, for whole faces and for faces that wear a mask, and a detector that chooses.

After the two-stage form of Han, "Masked FER-2013", 2023 (two pages, no program). The detector is
ours: three 3×3 convolutions with stride 2 over the face at 24 × 24 pixels, batch norm and ReLU
behind each, and one number, above 0 for a mask. A face's features stand in one of two places of
what the linear layer is given, so that each network has weights of its own in it, and the last
feature, 1 for a mask, is the difference of their biases.

In training each network is shown the faces of its own kind alone, by what they really wear (method
`two-stage`); the detector has a loss of its own. When a face is judged both networks look at it and
the detector says which one counts, so that it all fits one ONNX file.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ferturb.base.errors import FerturbError
from ferturb.models.spatial_transformer import at_side
from ferturb.models.stages import Staged

SIDE, WIDTHS = 24, (1, 8, 16, 32)
"""Of the detector: pixels a side, channels."""


class TwoStage(nn.Module):
    """(b, 1, h, w) -> (b, 2 f + 1, 1, 1), with f features of each network."""

    worn: Bool[Tensor, " b"] | None = None
    """Which of the next training batch's faces wear a mask."""

    def __init__(self, whole: Staged, masked: Staged) -> None:
        super().__init__()
        self.networks, self.features = nn.ModuleList([whole, masked]), whole.features
        layers: list[nn.Module] = []
        for channels_in, channels in pairwise(WIDTHS):
            convolution = nn.Conv2d(channels_in, channels, 3, 2, 1, bias=False)
            layers += [convolution, nn.BatchNorm2d(channels), nn.ReLU()]
        self.detector = nn.Sequential(*layers, nn.Flatten(), nn.Linear(WIDTHS[-1] * 9, 1))

    def mask_scores(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
        """Above 0 for a face that seems to wear a mask: the logit of that."""
        scores: Tensor = self.detector(at_side(faces, SIDE))
        return scores[:, 0]

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b f 1 1"]:
        """What the linear layer is given."""
        scores = self.mask_scores(faces)
        if self.training:
            worn = self._worn(faces)
            parts = [self._of_some(kind, faces, worn == kind) for kind in (0, 1)]
        else:
            worn = scores > 0
            chosen = torch.stack([~worn, worn])[..., None]
            parts = [net(faces).mean((2, 3)) * chosen[i] for i, net in enumerate(self.networks)]
        return torch.cat([*parts, worn[:, None].to(parts[0])], 1)[..., None, None]

    def _worn(self, faces: Tensor) -> Tensor:
        """What the training faces wear; `FerturbError` where nobody said so."""
        if self.worn is None or len(self.worn) != len(faces):
            raise FerturbError(
                "a network of two stages is trained by method two-stage, in one process; "
                "give --method two-stage"
            )
        return self.worn.to(faces.device)

    def _of_some(self, kind: int, faces: Tensor, chosen: Tensor) -> Tensor:
        """A network's features of the chosen faces, 0 for the others, which it doesn't see."""
        found: Tensor = faces.new_zeros(len(faces), self.features)
        if chosen.any():
            own: Tensor = self.networks[kind](faces[chosen]).mean((2, 3))
            found = found.to(own).index_put((chosen,), own)
        return found


def two_stage(build: Callable[[], Staged]) -> Staged:
    """Two of a network and the detector, in one piece: attention can't sit between stages."""
    both = TwoStage(build(), build())
    return Staged(nn.Identity(), [], both, 2 * both.features + 1)
