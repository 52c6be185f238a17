"""Rival `eac`: an erased face and its mirror image are to be attended to alike.

Erasing Attention Consistency (Zhang, Wang, Ling and Deng, "Learn From All", ECCV 2022), after the
authors' program for clean labels: a random rectangle of 2 to 25 % is erased from half of the faces;
the network sees a face x and its mirror image x', and

    loss = cross-entropy(x) + λ · mean over classes and places of (CAM(x) − mirrored CAM(x'))²

where CAM(x) of a class is the sum of the last feature maps, weighted by the last layer's weights of
that class, into which no gradient flows. The mirror image has no label. It is made of what the
network is shown, so that a recipe that mixes faces mirrors the mixture.

Not taken over: their Gaussian noise, Adam, and λ = 5 as a law: it belongs to the scale of a CAM
over 2,048 channels. The papers' erasing is filled with the mean of all faces, here of the face.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from ferturb.base.config import MethodConfig
from ferturb.features.removal import remove
from ferturb.models.classifier import Classifier
from ferturb.models.device import sent
from ferturb.training.augment import random_rectangles
from ferturb.training.inputs import Batch, TrainingInputs


class ErasingConsistency(TrainingInputs):
    """Method `eac`: faces with a rectangle erased, and a second pass over their mirror images."""

    def __init__(self, config: MethodConfig) -> None:
        self.config = config
        self._features: list[Tensor] = []
        self._gap: Tensor | None = None
        self._mirrored = False

    def __call__(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "v c h w"]:
        """Faces, some without a rectangle; each beside its mirror image where that has a label."""
        c, faces, draws = self.config, batch.augmented(), batch.generator
        b, _, h, w = faces.shape
        hidden = random_rectangles(b, h, w, draws, c.erased)
        chosen = torch.rand(b, generator=draws) < c.hidden_probability
        keep = ~(hidden & chosen[:, None, None])
        erased = remove(faces, sent(keep, faces.device), c.fill, draws)
        if c.mirror == "attention":
            return erased
        return torch.stack([erased, erased.flip(-1)], 1).flatten(0, 1)

    def attach(self, network: nn.Module) -> Sequence[RemovableHandle]:
        """After each training pass, another one over the mirror images."""
        if self.config.mirror != "attention":
            return []
        assert isinstance(network, Classifier)
        return [
            network.backbone.tail.register_forward_hook(self._keep),
            network.register_forward_hook(self._compare),
        ]

    def extra_loss(self, logits: Float[Tensor, "v 7"]) -> Float[Tensor, ""] | None:
        """λ times how far the attention to faces and to their mirror images is apart."""
        return None if self._gap is None else self.config.mirror_weight * self._gap

    def _keep(self, tail: nn.Module, inputs: tuple[Tensor], features: Tensor) -> None:
        if tail.training:
            self._features.append(features)

    def _compare(self, network: Classifier, inputs: tuple[Tensor], logits: Tensor) -> None:
        if self._mirrored or not network.training:
            return
        self._mirrored = True
        try:
            network(inputs[0].flip(-1))
            own, other = (class_activation(f, network.head.weight) for f in self._features)
            self._gap = F.mse_loss(own, other.flip(-1))
        finally:
            self._mirrored = False
            self._features.clear()


def class_activation(
    features: Float[Tensor, "b c h w"], weight: Float[Tensor, "e c"]
) -> Float[Tensor, "b e h w"]:
    """The map of every class, in float32; no gradient flows into the weights."""
    with torch.autocast(features.device.type, enabled=False):
        return torch.einsum("ec,bchw->behw", weight.detach().float(), features.float())
