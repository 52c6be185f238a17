"""All that prediction still asks torch for, imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from ferturb.predict.shipped import PretrainedModel


def of_weights(weights: Path, threads: int | None) -> PretrainedModel:
    """A model in the package, computed by torch."""
    from ferturb.export import torch_models

    return torch_models.of_weights(weights)


def of_run(folder: Path, backend: str | None) -> PretrainedModel:
    """The model of a finished run."""
    from ferturb.export import torch_models

    return torch_models.of_run(folder, backend)


def left_out_faces(
    face: UInt8[np.ndarray, "h w"], features: Sequence[str] | None, fill: str
) -> tuple[tuple[str, ...], UInt8[np.ndarray, "n h w"]]:
    """The face as it is, named "", and with each feature left out: names, faces (n, h, w)."""
    from ferturb.features import removal

    return removal.left_out_faces(face, features, fill)
