"""Per-face logits of a whole split, with or without test-time augmentation.

Test-time augmentations, each the mean of the logits of its variants:

- ``none``: the face as it is.
- ``flip``: the face and its mirror image.
- ``ten-crop``: four corners and the centre, 40×40 of 48×48 (5/6 of the side), each also
  mirrored (Krizhevsky et al., 2012; the paper's released program).
- ``zoom``: the face, the face at 92 % and at 108 % of its size about the centre (bilinear; at the
  rim the last pixel goes on), each also mirrored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ferturb.base.checks import require_kind, require_whole
from ferturb.base.config import choose
from ferturb.base.pixels import require_images
from ferturb.models.inference import logits_of


def _mirrored_too(views: list[Tensor]) -> list[Tensor]:
    return views + [view.flip(-1) for view in views]


def five_crops(faces: Float[Tensor, "b c h w"], ch: int, cw: int) -> list[Tensor]:
    """The four corners and the middle of each face, `ch` × `cw` pixels."""
    low, right = faces.shape[-2] - ch, faces.shape[-1] - cw
    corners = [(0, 0), (0, right), (low, 0), (low, right), (low // 2, right // 2)]
    return [faces[..., top : top + ch, left : left + cw] for top, left in corners]


def _ten_crop(faces: Tensor) -> list[Tensor]:
    h, w = faces.shape[-2:]
    return _mirrored_too(five_crops(faces, round(h * 5 / 6), round(w * 5 / 6)))


ZOOMS = (0.92, 1.08)


def _zoom(faces: Tensor) -> list[Tensor]:
    return _mirrored_too([faces, *(_scaled(faces, factor) for factor in ZOOMS)])


def _scaled(faces: Tensor, factor: float) -> Tensor:
    """The same canvas with the face `factor` times as large."""
    where = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]], device=faces.device)
    grid = nn.functional.affine_grid(
        where.to(faces.dtype).expand(len(faces), 2, 3), list(faces.shape), align_corners=False
    )
    return nn.functional.grid_sample(
        faces, grid, mode="bilinear", padding_mode="border", align_corners=False
    )


AUGMENTATIONS: dict[str, Callable[[Tensor], list[Tensor]]] = {
    "none": lambda faces: [faces],
    "flip": lambda faces: _mirrored_too([faces]),
    "ten-crop": _ten_crop,
    "zoom": _zoom,
}
"""Name -> the variants of (b, c, h, w) faces whose logits are averaged."""


def predict_logits(
    model: nn.Module,
    images: UInt8[Tensor, "n *c h w"],
    augmentation: str = "none",
    batch_size: int | None = None,
    precision: str = "float32",
    device: torch.device | None = None,
) -> Float[Tensor, "n e"]:
    """Logits (n, 7), float32 on the CPU, averaged over the augmentation's variants.

    Of a network that answers with two heads (n, 14).
    """
    variants = choose("test-time augmentation", augmentation, AUGMENTATIONS)
    require_kind("model", model, nn.Module)
    given: Any = images
    if isinstance(given, np.ndarray):
        images = torch.from_numpy(np.ascontiguousarray(given))
    require_images(require_kind("images", images, Tensor))
    if batch_size is not None:
        batch_size = require_whole("batch_size", batch_size, 1)
    choose("precision", precision, dict.fromkeys(("float32", "bfloat16", "auto")))
    if device is not None:
        require_kind("device", device, torch.device)
    return logits_of(model, images, batch_size, precision, device, variants)
