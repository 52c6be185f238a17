"""What if a feature could not be seen: one face with each facial feature left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8

from ferturb.base.errors import FerturbError
from ferturb.features.landmarks import find_landmarks
from ferturb.features.regions import FEATURES, regions
from ferturb.features.removal import remove


def left_out_faces(
    face: UInt8[np.ndarray, "h w"], features: Sequence[str] | None = None, fill: str = "mean"
) -> tuple[tuple[str, ...], UInt8[np.ndarray, "n h w"]]:
    """The face as it is, named "", and with each feature left out: names, faces (n, h, w).

    `features` None takes all but "face". Raises `FerturbError` for an unknown feature or fill, or
    what is no face.
    """
    if face.dtype != np.uint8 or face.ndim != 2:
        raise FerturbError(
            f"what_if takes one grayscale face as uint8 (height, width), got {face.dtype} "
            f"{face.shape}; give the `face` of a prediction"
        )
    names = tuple(n for n in FEATURES if n != "face") if features is None else tuple(features)
    image = torch.from_numpy(np.array(face))[None]  # a copy: the face may not be writable
    found = regions(find_landmarks(image).points, (face.shape[0], face.shape[1]), names)
    keep = ~torch.cat([found[name] for name in names]) if names else torch.ones(0, *face.shape) > 0
    copies = (image[:, None].float() / 255).expand(len(names), 1, *face.shape)
    filled = (remove(copies, keep, fill)[:, 0] * 255).round().to(torch.uint8)
    shown = torch.cat([image, torch.where(keep, image, filled)])
    return ("", *names), shown.numpy()
