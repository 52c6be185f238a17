"""The Perturb Scheme: faces with one cluster left out, in training and at test time.

Qiu, "Leaving Some Facial Features Behind", arXiv 2411.00824, section 3. Three phases:

1. a classifier with spatial attention between its stages (method `attention`);
2. K-means over the pixels (`clusters.py`), here one cluster map an epoch from the attention
   averaged over training faces;
3. a new network, the predictor, trained on the K+1 views of each face: the face with one
   cluster left out (black), for each of the K clusters, and the face itself. At test time the
   logits of the views are summed.

A `TrainingViews` is what a method makes of a batch; the training loop knows no more of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.config import MethodConfig
from ferturb.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.perturb.clusters import cluster_maps


def left_out_masks(cluster_map: Int64[Tensor, "b h w"], k: int) -> Bool[Tensor, "b k1 h w"]:
    """True = keep. Mask j < K leaves cluster j out; the last keeps the whole face."""
    index = torch.arange(k + 1, device=cluster_map.device)
    return cluster_map.unsqueeze(1) != index[None, :, None, None]


def views_of(
    faces: Float[Tensor, "b 1 h w"], cluster_map: Int64[Tensor, "m i j"], k: int
) -> Float[Tensor, "b k1 1 h w"]:
    """The K+1 views of each face, what is left out black; the face itself comes last.

    `cluster_map` is one map for all faces (m = 1) or one per face (m = b); a map of another
    size is brought to the faces' by nearest neighbour.
    """
    masks = left_out_masks(_resized(cluster_map, faces), k)
    return faces.unsqueeze(1) * masks.unsqueeze(2)


def sampled_view(
    faces: Float[Tensor, "b 1 h w"],
    cluster_map: Int64[Tensor, "m i j"],
    k: int,
    generator: torch.Generator,
) -> Float[Tensor, "b 1 h w"]:
    """One of the K+1 views of each face, each with the same probability."""
    drawn = torch.randint(k + 1, (faces.shape[0],), generator=generator).to(faces.device)
    keep = _resized(cluster_map, faces) != drawn[:, None, None]
    return faces * keep.unsqueeze(1)


def _resized(cluster_map: Tensor, faces: Tensor) -> Tensor:
    size = faces.shape[-2:]
    if cluster_map.shape[-2:] == size:
        return cluster_map
    return F.interpolate(cluster_map.unsqueeze(1).float(), size, mode="nearest")[:, 0].long()


class ViewClassifier(nn.Module):
    """A predictor as the paper uses it: the sum of the logits of a face's K+1 views."""

    cluster_map: Tensor

    def __init__(self, classifier: nn.Module, cluster_map: Int64[Tensor, "h w"], k: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.k = k
        self.register_buffer("cluster_map", cluster_map.long())

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 7"]:
        """Summed logits."""
        views = views_of(faces, self.cluster_map.unsqueeze(0), self.k)
        logits: Tensor = self.classifier(views.flatten(0, 1))
        return logits.float().view(faces.shape[0], self.k + 1, logits.shape[-1]).sum(1)


@runtime_checkable
class TrainingViews(Protocol):
    """What a method makes of the faces, in training and at test time."""

    def start_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Called before the first step of an epoch (from 1)."""

    def __call__(
        self, faces: Float[Tensor, "b 1 h w"], generator: torch.Generator
    ) -> Float[Tensor, "v 1 h w"]:
        """Augmented faces to network inputs: v = b · (views a face), a face's views together."""

    def at_test_time(self, classifier: nn.Module) -> nn.Module:
        """The model as it is used on new faces."""

    def cluster_map(self) -> Int64[Tensor, "h w"] | None:
        """The cluster map of the current epoch, if the method has one."""


class WholeFaces:
    """Methods `baseline` and `attention`: the face as it is."""

    def start_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Nothing to prepare."""

    def __call__(
        self, faces: Float[Tensor, "b 1 h w"], generator: torch.Generator
    ) -> Float[Tensor, "b 1 h w"]:
        """The faces."""
        return faces

    def at_test_time(self, classifier: nn.Module) -> nn.Module:
        """The classifier itself."""
        return classifier

    def cluster_map(self) -> None:
        """None."""


class ClusterViews:
    """Method `perturb`: views from one cluster map an epoch.

    Each epoch draws `attention_faces` training faces, averages their attention maps and clusters
    the average; λ, α, K and the threshold are the method's.
    """

    def __init__(
        self,
        config: MethodConfig,
        attention: Callable[[Tensor], Tensor],
        training_images: UInt8[Tensor, "n h w"],
    ) -> None:
        """`attention` maps faces (b, 1, h, w) in [0, 1] to attention maps (b, h, w)."""
        self.config = config
        self.attention = attention
        self.images = training_images
        self._map: Tensor | None = None

    def start_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Phase 2: this epoch's cluster map."""
        c = self.config
        order = torch.randperm(len(self.images), generator=generator)[: c.attention_faces]
        mean = mean_attention(self.attention, self.images[order])
        self._map = cluster_maps(
            mean.unsqueeze(0),
            c.clusters,
            generator,
            c.distance_weight,
            c.intensity_weight,
            c.attention_threshold,
        )[0]

    def __call__(
        self, faces: Float[Tensor, "b 1 h w"], generator: torch.Generator
    ) -> Float[Tensor, "v 1 h w"]:
        """All K+1 views of each face, or one of them drawn at random."""
        shared = self._current().unsqueeze(0).to(faces.device)
        if self.config.views == "sample":
            return sampled_view(faces, shared, self.config.clusters, generator)
        return views_of(faces, shared, self.config.clusters).flatten(0, 1)

    def at_test_time(self, classifier: nn.Module) -> nn.Module:
        """The summed views, unless the method leaves them out at test time."""
        if not self.config.test_views:
            return classifier
        return ViewClassifier(classifier, self._current(), self.config.clusters)

    def cluster_map(self) -> Int64[Tensor, "h w"]:
        """The current map."""
        return self._current()

    def _current(self) -> Tensor:
        if self._map is None:
            raise FerturbError("ClusterViews has no cluster map yet: call start_epoch first")
        return self._map


@torch.no_grad()
def mean_attention(
    attention: Callable[[Tensor], Tensor], images: UInt8[Tensor, "n h w"], batch_size: int = 256
) -> Float[Tensor, "h w"]:
    """The attention map averaged over faces, float64 sums, float32 result."""
    total = torch.zeros(images.shape[1:], dtype=torch.float64)
    for batch in images.split(batch_size):  # type: ignore[no-untyped-call]
        total += attention(batch.unsqueeze(1).float().div(255)).double().sum(0).cpu()
    return (total / len(images)).float()


def _whole(config: MethodConfig, attention: Classifier | None, images: Tensor) -> TrainingViews:
    return WholeFaces()


def _clusters(config: MethodConfig, attention: Classifier | None, images: Tensor) -> TrainingViews:
    if attention is None:
        raise FerturbError(
            f"method {config.name!r} needs an attention classifier (phase 1), got none; "
            "train one with method 'attention' and name it as attention_run"
        )
    attention.eval()
    return ClusterViews(config, attention.attention_maps, images)


METHODS: dict[str, Callable[[MethodConfig, Classifier | None, Tensor], TrainingViews]] = {
    "baseline": _whole,
    "attention": _whole,
    "perturb": _clusters,
}
"""Method name -> how its views are made."""
