"""Method `two-stage`: a mask detector, and a network for each kind of face, trained together.

After the two-stage form of Han, "Masked FER-2013", 2023. Half of the faces of each step wear the
face mask that they have in MaskFer, as in `half-masked`. One part of the network
(`ferturb.models.two_stage`) is shown those, the other the whole ones, and

    loss = cross-entropy + binary cross-entropy of the detector against what the faces wear

where the second reaches the detector alone, and the first does not reach it. As the cross-entropy
is the mean over all faces of a step, each part's gradient is half of what it would be in a training
of its own on as many faces. With twice the epochs each part sees as many faces as a training of its
own would show it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from ferturb.base.errors import FerturbError
from ferturb.models.two_stage import TwoStage
from ferturb.perturb.hidden_variants import HiddenVariants
from ferturb.training.inputs import Batch


class TwoStageInputs(HiddenVariants):
    """Whole and masked faces, the loss of the detector, and who is shown what."""

    worn: Tensor = torch.empty(0, dtype=torch.bool)
    """What the faces of this step wear."""
    scores: Tensor = torch.empty(0)
    """What the detector says of them."""

    def attach(self, network: nn.Module) -> Sequence[RemovableHandle]:
        """Tell the network's parts what the faces wear; `FerturbError` where it has none."""
        found = [module for module in network.modules() if isinstance(module, TwoStage)]
        if not found:
            raise FerturbError(
                "method two-stage trains a network of two stages; "
                "give --model two-stage-compact-tiny, or another two-stage"
            )
        return [
            found[0].register_forward_pre_hook(self._tell),
            found[0].detector.register_forward_hook(self._look),
        ]

    def __call__(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "v c h w"]:
        """One input a face."""
        if batch.config.mixup or batch.config.cutmix:
            raise FerturbError(
                "method two-stage needs faces that wear a mask or none, and the recipe mixes two "
                "faces; give one without mixup and cutmix, as fast"
            )
        worn, shown = self.drawn(batch, generator)
        inputs = batch.augmented(shown)
        self.worn = worn.repeat_interleave(len(inputs) // len(worn))
        return inputs

    def extra_loss(self, logits: Float[Tensor, "v 7"]) -> Float[Tensor, ""] | None:
        """The detector's."""
        truth = self.worn.to(self.scores)
        return F.binary_cross_entropy_with_logits(self.scores, truth)

    def _tell(self, module: TwoStage, inputs: tuple[Tensor]) -> None:
        if module.training:
            module.worn = self.worn

    def _look(self, module: nn.Module, inputs: tuple[Tensor], scores: Tensor) -> None:
        self.scores = scores[:, 0].float()
