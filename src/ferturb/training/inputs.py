"""What a network is shown in training; the base class is the baseline, whole faces.

The training loop gives a `Batch` to a `TrainingInputs` and trains on what comes back. A method
overrides what it changes (`ferturb.perturb`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ferturb.base.config import AugmentConfig
from ferturb.models.device import sent
from ferturb.training.augment import augment, augment_with_maps, same_draws


@dataclass(frozen=True)
class Batch:
    """The training faces of one step, and how they are augmented."""

    index: Int64[Tensor, " b"]
    """Their places among the training faces."""
    images: UInt8[Tensor, "b *c h w"]
    config: AugmentConfig
    generator: torch.Generator
    """Draws the augmentation, and then what goes with it: the same where that is repeated."""
    size: int | None = None
    """The side of the network's inputs; None leaves the faces' (or the crop's)."""
    _before: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_before", same_draws(self.generator))

    def augmented(
        self, images: UInt8[Tensor, "b *c h w"] | None = None
    ) -> Float[Tensor, "v c s t"]:
        """The faces, or other images in their place, augmented: float in [0, 1]; v = b, or 5·b
        where five crops are made of each."""
        shown = self.images if images is None else sent(images, self.images.device)
        return augment(shown, self.config, self.generator, self.size)

    def augmented_with(
        self, maps: UInt8[Tensor, "b h w"]
    ) -> tuple[Float[Tensor, "v c s t"], Int64[Tensor, "v s t"]]:
        """The same faces as of `augmented`, and cluster maps that move with them."""
        maps = sent(maps, self.images.device)
        faces, moved = augment_with_maps(self.images, maps, self.config, self.generator, self.size)
        assert moved is not None
        return faces, moved

    def at_full_size(self) -> Float[Tensor, "b c s t"]:
        """The whole faces as a teacher is shown them: augmented alike, never resized."""
        return augment(self.images, self.config, same_draws(self._before))


class TrainingInputs:
    """Whole faces, augmented: `baseline`, `attention`, `extra-epochs`."""

    def attach(self, network: nn.Module) -> Sequence[RemovableHandle]:
        """Hook into the network that is trained, before its first step; the hooks.

        What is hooked in acts in training mode alone: the kept network knows nothing of it.
        """
        return ()

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[None]:
        """Hooked in (`attach`) while it is trained and no longer: it can be trained again."""
        hooks = self.attach(network)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def start_epoch(self, epoch: int, generator: torch.Generator, progress: float = 0.0) -> None:
        """Prepare an epoch (from 1); `progress` is the share of the training done, 0 … 1."""

    def __call__(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "v c h w"]:
        """Network inputs, v = b · (inputs a face); those of a face together, the whole face last.

        `generator` differs in every epoch, the batch's repeats with its augmentation.
        """
        return batch.augmented()

    def extra_loss(self, logits: Float[Tensor, "v 7"]) -> Float[Tensor, ""] | None:
        """What is added to the cross-entropy of a step, if anything."""
        return None

    def at_test_time(self, network: nn.Module) -> nn.Module:
        """The model as the method uses it on new faces."""
        return network

    def epoch_record(self) -> Mapping[str, Tensor]:
        """What is kept of the current epoch beside the weights, by name; often nothing."""
        return {}
