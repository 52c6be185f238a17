"""What a method makes of the faces, in training and at test time; the methods without clusters."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from ferturb.config import MethodConfig
from ferturb.perturb.controls import random_rectangles
from ferturb.perturb.views import drawn_views


@runtime_checkable
class TrainingViews(Protocol):
    """What a method makes of the faces, in training and at test time."""

    def start_epoch(self, epoch: int, generator: torch.Generator, progress: float = 0.0) -> None:
        """Called before the first step of an epoch (from 1); `progress` is the share of the
        training that is done, from 0."""

    def pictures_of(
        self, index: Int64[Tensor, " b"], generator: torch.Generator
    ) -> UInt8[Tensor, "b h w"] | None:
        """Other pictures of these training faces, to be shown in their place; None: the faces."""

    def maps_of(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w"] | None:
        """Cluster maps that go with these training faces through augmentation, if there are."""

    def __call__(
        self,
        faces: Float[Tensor, "b 1 h w"],
        generator: torch.Generator,
        maps: Int64[Tensor, "b h w"] | None = None,
    ) -> Float[Tensor, "v 1 h w"]:
        """Augmented faces, and what `maps_of` gave for them, augmented alike, to network inputs:
        v = b · (views a face), a face's views together, the whole face last."""

    def extra_loss(self, logits: Float[Tensor, "v 7"], faces: int) -> Float[Tensor, ""] | None:
        """What the method adds to the cross-entropy of a step over `faces` faces, if anything."""

    def at_test_time(self, classifier: nn.Module) -> nn.Module:
        """The model as it is used on new faces."""

    def cluster_map(self) -> Int64[Tensor, "h w"] | None:
        """The (shared) cluster map of the current epoch, if the method has one."""

    def degenerate(self) -> int:
        """How many of the current epoch's attention maps said nothing and were not used."""


class WholeFaces:
    """Methods `baseline`, `attention` and `extra-epochs`: the face as it is."""

    def start_epoch(self, epoch: int, generator: torch.Generator, progress: float = 0.0) -> None:
        """Nothing to prepare."""

    def pictures_of(
        self, index: Int64[Tensor, " b"], generator: torch.Generator
    ) -> UInt8[Tensor, "b h w"] | None:
        """None."""
        return None

    def maps_of(self, index: Int64[Tensor, " b"]) -> None:
        """None."""

    def __call__(
        self,
        faces: Float[Tensor, "b 1 h w"],
        generator: torch.Generator,
        maps: Int64[Tensor, "b h w"] | None = None,
    ) -> Float[Tensor, "v 1 h w"]:
        """The faces."""
        return faces

    def extra_loss(self, logits: Float[Tensor, "v 7"], faces: int) -> None:
        """None."""

    def at_test_time(self, classifier: nn.Module) -> nn.Module:
        """The classifier itself."""
        return classifier

    def cluster_map(self) -> None:
        """None."""

    def degenerate(self) -> int:
        """0."""
        return 0


class ErasedViews(WholeFaces):
    """Control `random-erasing`: as many views, each with one random rectangle erased."""

    def __init__(self, config: MethodConfig) -> None:
        self.config = config

    def __call__(
        self,
        faces: Float[Tensor, "b 1 h w"],
        generator: torch.Generator,
        maps: Int64[Tensor, "b h w"] | None = None,
    ) -> Float[Tensor, "v 1 h w"]:
        """Faces without a rectangle (their cluster 0), drawn anew for every view, or whole."""
        c, k, (b, _, h, w) = self.config, self.config.clusters, faces.shape
        if not c.train_views:
            return faces
        copies = {"all": k + 1, "pair": 2, "sample": 1}[c.views]
        many = faces.repeat_interleave(copies, 0)
        rectangles = random_rectangles(len(many), h, w, generator, c.erased).to(faces.device)
        if c.views == "sample":
            drawn = torch.randint(k + 1, (b,), generator=generator) // k  # 1, the face, once in K+1
        else:
            drawn = (torch.arange(len(many)) % copies) // (copies - 1)
        maps = torch.where(rectangles, 0, 2)
        drawn = drawn.to(faces.device)
        return drawn_views(many, maps, drawn, 1, "leave-one-out", c.fill, generator)
