"""Method `robust`: training faces with something hidden, mixed with whole ones.

Every training face exists in several variants: wearing a face mask, glasses, a hand or another
thing, or with a facial feature left out. Each time a face is shown it is, with probability
`MethodConfig.altered`, one of its variants, drawn uniformly, and else itself. With a teacher
(`RunConfig.teachers`) the network learns what the teacher predicts of the whole face.

The variants are those of `ferturb.features.training_variants`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.training.inputs import Batch, TrainingInputs


class HiddenVariants(TrainingInputs):
    """The faces as they are, or one of their variants."""

    def __init__(
        self,
        images: UInt8[Tensor, "n h w"],
        variants: UInt8[Tensor, "c n h w"],
        probability: float,
    ) -> None:
        """`images` are all training faces; `probability` is that of a variant, 0 … 1."""
        if variants.shape[1:] != images.shape or not len(variants):
            raise FerturbError(
                f"method robust needs variants of all training faces (c, {len(images)}, h, w), got "
                f"{tuple(variants.shape)}"
            )
        self.variants = variants
        self.probability = probability

    def __call__(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "v 1 h w"]:
        """One input a face; which variant it shows differs in every epoch."""
        b = len(batch.index)
        altered = torch.rand(b, generator=generator) < self.probability
        which = torch.randint(len(self.variants), (b,), generator=generator)
        variants = self.variants[which, batch.index].to(batch.images.device)
        chosen = altered.to(variants.device)[:, None, None]
        return batch.augmented(torch.where(chosen, variants, batch.images))
