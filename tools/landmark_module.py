"""`find_landmarks` for 48×48 faces as one torch module, which ONNX can hold.

It does what `ferturb.features.landmarks` does: looks at each face as it is and mirrored, averages
the two, calibrates the confidence, and gives the mean shape where there is nothing to see.
`tools/ship_landmarks.py` writes it as landmarks.onnx, which reads the weights of
landmarks.safetensors; `ferturb.predict.landmark_finder` runs that without torch.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ferturb.features.landmark_network import SIDE
from ferturb.features.landmarks import (
    WEIGHTS,
    Found,
    Model,
    blank,
    confidence_of,
    load_model,
    mirror,
)
from ferturb.features.points import FLIP, INNER

OUTPUTS = ("points", "confidence", "errors")


class LandmarkModule(nn.Module):
    """uint8 faces (n, 48, 48) -> points, confidence, and each point's expected error."""

    mean_shape: Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.network
        self.calibration = model.calibration
        self.register_buffer("mean_shape", model.mean_shape)

    def forward(
        self, faces: Shaped[Tensor, "n h w"]
    ) -> tuple[Float[Tensor, "n p 2"], Float[Tensor, " n"], Float[Tensor, "n p"]]:
        """Points in pixels; confidence 0 … 1; the expected absolute error of x and y in pixels."""
        shown = faces.unsqueeze(1).float() / 255
        points, scales = self.network(torch.cat([shown, shown.flip(3)]))
        points, scales = points.unflatten(0, (2, -1)), scales.unflatten(0, (2, -1))
        seen, mirrored = points[0], mirror(points[1], SIDE)
        inner = list(INNER)
        error = 1.5 * scales[..., inner].exp().mean(2).mean(0)
        apart = (seen - mirrored)[:, inner].square().sum(2).sqrt().mean(1)
        found = Found((seen + mirrored) / 2, error, apart)
        confidence = confidence_of(found, self.calibration)
        lost = (confidence < self.calibration.least) | blank(faces)
        lost = lost[:, None, None]
        errors = (scales[0].exp() + scales[1][:, list(FLIP)].exp()) / 2
        return (
            torch.where(lost, self.mean_shape, found.points),
            torch.where(lost[:, 0, 0], 0.0, confidence),
            errors,
        )


def shipped_module() -> LandmarkModule:
    """The module with the package's weights, batch normalisations not folded in."""
    return LandmarkModule(load_model(WEIGHTS, fold=False)).eval()
