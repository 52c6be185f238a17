"""Rival `batch-attention`: every face of a batch is to attend to every other alike.

EmoNeXt's "self-attention regulariser" (El Boudouri and Bohi, 2023), after the authors' program; it
is named for what it does. With the attention w of the batch's faces to each other (`BatchAttention`
of `ferturb.models.emonext`; its rows add up to 1)

    loss = cross-entropy + mean of (w − mean of w)²

which is least where all b² weights are 1/b. When a face is judged it does nothing. Needs a network
with such attention: the `emonext` ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ferturb.base.errors import FerturbError
from ferturb.models.emonext import BatchAttention
from ferturb.training.inputs import TrainingInputs


class EvenBatchAttention(TrainingInputs):
    """Method `batch-attention`: whole faces, and the variance of their attention to each other."""

    def __init__(self) -> None:
        self._spread: Tensor | None = None

    def attach(self, network: nn.Module) -> Sequence[RemovableHandle]:
        """Look at the features that pass through the network's batch attention."""
        found = [module for module in network.modules() if isinstance(module, BatchAttention)]
        if not found:
            raise FerturbError(
                "method batch-attention needs a network with attention across the batch; "
                "give --model emonext-narrow, or another emonext"
            )
        return [found[0].register_forward_hook(self._look)]

    def extra_loss(self, logits: Float[Tensor, "v 7"]) -> Float[Tensor, ""] | None:
        """The variance of the attention weights of the last training pass."""
        return self._spread

    def _look(self, module: BatchAttention, inputs: tuple[Tensor], features: Tensor) -> None:
        if module.training:
            self._spread = spread(module.weights(features))


def spread(weights: Float[Tensor, "b b"]) -> Float[Tensor, ""]:
    """The mean squared distance of the weights from their mean."""
    return (weights - weights.mean()).square().mean()
