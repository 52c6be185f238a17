"""Method `robust`: training faces with something hidden, mixed with whole ones.

Every training face exists in several copies: wearing a face mask, glasses, a hand or another
thing, or with a facial feature left out. Each time a face is shown it is, with probability
`MethodConfig.altered`, one of its copies, all alike likely, and else itself. With a teacher
(`RunConfig.teachers`) the network is told what the teacher says of the whole face.

Which copies there are is `ferturb.features.training_variants.COPIES`.
"""

from __future__ import annotations

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ferturb.base.errors import FerturbError
from ferturb.training.inputs import WholeFaces


class AlteredCopies(WholeFaces):
    """The faces as they are, or one of their copies."""

    def __init__(
        self,
        images: UInt8[Tensor, "n h w"],
        copies: UInt8[Tensor, "c n h w"],
        share: float,
    ) -> None:
        """`share` is the probability of a copy, 0 … 1."""
        if copies.shape[1:] != images.shape or not len(copies):
            raise FerturbError(
                f"method robust needs copies of all training faces (c, {len(images)}, h, w), got "
                f"{tuple(copies.shape)}"
            )
        self.images = images
        self.copies = copies
        self.share = share

    def pictures_of(
        self, index: Int64[Tensor, " b"], generator: torch.Generator
    ) -> UInt8[Tensor, "b h w"]:
        """What is shown of these faces."""
        place = index.to(self.images.device)
        altered = torch.rand(len(index), generator=generator) < self.share
        which = torch.randint(len(self.copies), (len(index),), generator=generator)
        keep = altered.to(place.device)[:, None, None]
        return torch.where(keep, self.copies[which.to(place.device), place], self.images[place])
