"""Methods `robust`, `half-masked`, `features-left-out`: something hidden in some of the faces.

Every training face exists in several variants. For `robust` it wears a face mask, glasses, a hand
or another thing, or lacks a facial feature (`ferturb.features.training_variants`); for
`half-masked` it wears the face mask that it has in MaskFer (as Han trains on both,
"Masked FER-2013", 2023); for `features-left-out` it lacks a facial feature or as many pixels
elsewhere (`ferturb.features.holes`). Each time a face is shown it is, with probability
`MethodConfig.hidden_probability`, one of its variants, drawn uniformly, and else itself. With a
teacher (`RunConfig.teachers`) the network learns what the teacher predicts of the whole face.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.features.altered import alter_cached
from ferturb.features.training_variants import require_whole
from ferturb.models.device import sent
from ferturb.training.inputs import Batch, TrainingInputs


class HiddenVariants(TrainingInputs):
    """The faces as they are, or one of their variants."""

    def __init__(
        self,
        images: UInt8[Tensor, "n *c h w"],
        variants: UInt8[Tensor, "v n *c h w"],
        probability: float,
    ) -> None:
        """`images` are all training faces; `probability` is that of a variant, 0 … 1."""
        if variants.shape[1:] != images.shape or not len(variants):
            raise FerturbError(
                f"this method needs variants of all training faces {('v', *images.shape)}, got "
                f"{tuple(variants.shape)}"
            )
        self.variants = variants
        self.probability = probability

    def __call__(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "v c h w"]:
        """One input a face; which variant it shows differs in every epoch."""
        return batch.augmented(self.drawn(batch, generator)[1])

    def drawn(
        self, batch: Batch, generator: torch.Generator
    ) -> tuple[Bool[Tensor, " b"], UInt8[Tensor, "b *c h w"]]:
        """Which faces of a batch are shown as a variant, and what is shown of each."""
        b = len(batch.index)
        altered = torch.rand(b, generator=generator) < self.probability
        which = torch.randint(len(self.variants), (b,), generator=generator)
        variants = sent(self.variants[which, batch.index], batch.images.device)
        chosen = altered.to(variants.device).view(b, *(1,) * (variants.ndim - 1))
        return altered, torch.where(chosen, variants, batch.images)


def masked_faces(faces: Faces) -> UInt8[Tensor, "n *c h w"]:
    """The n training faces, each with the face mask that it wears in MaskFer (`mixed`, seed 0).

    `FerturbError` for faces that are altered already.
    """
    require_whole(faces, "methods half-masked and two-stage put masks on whole faces themselves")
    return alter_cached(faces, DatasetConfig(face_masks="mixed")).split("train").images
