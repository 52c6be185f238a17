"""Where cluster maps come from: a shared one from mean attention, or one for each face.

A map of one's own is a fixed function of the face: the draws of K-means are seeded with
`FACE_SEED` and are the same for every face, so a face gets the same map in any batch and at any
time. Both finders here are modules, so that they travel with the model they belong to, and stay
in evaluation mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from ferturb.base.config import MethodConfig
from ferturb.base.errors import FerturbError
from ferturb.features.landmarks import find_landmarks
from ferturb.features.points import GROUPS
from ferturb.models.classifier import Classifier
from ferturb.perturb.clusters import by_intensity, cluster_maps, matched, uninformative
from ferturb.perturb.views import resized

M = TypeVar("M", bound=nn.Module)

FACE_SEED = 0
"""Seeds the clustering of faces one by one."""

Intensity = Callable[[Tensor], Tensor]
"""Faces (b, 1, h, w) in [0, 1] to the intensity of Equation 1, (b, h, w)."""


class FaceMaps(NamedTuple):
    """One cluster map for each face."""

    maps: Int64[Tensor, "b h w"]
    degenerate: Bool[Tensor, " b"]
    """Faces whose attention said nothing, or that show no face: clustered by place alone."""


Finder = Callable[[Tensor], FaceMaps]
"""Faces (b, 1, h, w) in [0, 1] to cluster maps of their own, at their size."""


def pixels(faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b h w"]:
    """Equation 1 read literally: the intensity is the face itself."""
    return faces[:, 0]


def nowhere(faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b h w"]:
    """No intensity: clusters follow from place alone."""
    return torch.zeros_like(faces[:, 0])


def intensity_of(config: MethodConfig, attention: Classifier | None) -> Intensity:
    """What a method takes as intensity; `FerturbError` where it needs attention and has none."""
    if not config.intensity_weight:
        return nowhere
    if config.intensity == "pixels":
        return pixels
    if attention is None:
        raise FerturbError(
            f"method {config.name!r} needs an attention classifier (phase 1), got none; "
            "train one with method 'attention' and name it as attention_run"
        )
    if attention.config.attention_at != config.attention_from:
        raise FerturbError(
            f"method {config.name!r} takes its attention from the {config.attention_from}, but the "
            f"attention run's sits at the {attention.config.attention_at}; train one with "
            f"ModelConfig(attention=True, attention_at={config.attention_from!r})"
        )
    return attention.eval().attention_maps


def clustered(
    values: Float[Tensor, "b h w"], config: MethodConfig, generator: torch.Generator
) -> FaceMaps:
    """Equation 1's clusters of each map of intensity, with the method's K, λ, α and threshold.

    K-means draws from the generator's seed, whatever was drawn from it before.
    """
    threshold = config.attention_threshold if config.intensity == "attention" else 0.0
    intensities = values.cpu().numpy()
    maps = cluster_maps(
        intensities,
        config.clusters,
        generator.initial_seed(),
        config.distance_weight,
        config.intensity_weight,
        threshold,
        torch.get_num_threads(),
    )
    flat = uninformative(intensities, threshold) & bool(config.intensity_weight)
    return FaceMaps(*(torch.from_numpy(found).to(values.device) for found in (maps, flat)))


def named(
    maps: Int64[Tensor, "b h w"],
    values: Float[Tensor, "b h w"],
    reference: Int64[Tensor, "h w"],
    config: MethodConfig,
) -> Int64[Tensor, "b h w"]:
    """Clusters named as in the reference, or by falling attention if the method goes by that."""
    labels, k = maps.cpu().numpy(), config.clusters
    if config.leaves == "most-attended":
        renamed = by_intensity(labels, values.nan_to_num().cpu().numpy(), k)
    else:
        renamed = matched(labels, reference.cpu().numpy(), k)
    return torch.from_numpy(renamed).to(maps.device)


class _Frozen(nn.Module):
    """A module that stays in evaluation mode, whoever switches what it is part of."""

    def train(self: M, mode: bool = True) -> M:
        """Evaluation mode, always."""
        return nn.Module.train(self, False)


class FaceClusters(_Frozen):
    """Per-face clusters of the attention classifier (or the pixels)."""

    reference: Tensor

    def __init__(
        self, config: MethodConfig, attention: Classifier | None, reference: Int64[Tensor, "h w"]
    ) -> None:
        """`reference` is the shared map whose names the faces' clusters take."""
        super().__init__()
        self.config = config
        self.intensity = intensity_of(config, attention)
        used = getattr(self.intensity, "__self__", None)
        self.classifier = used if isinstance(used, Classifier) else None
        self.register_buffer("reference", reference)
        self.eval()

    @torch.no_grad()
    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> FaceMaps:
        """Cluster maps of the faces, at their size; computed in float32."""
        generator = torch.Generator().manual_seed(FACE_SEED)
        with torch.autocast(faces.device.type, enabled=False):
            values = self.intensity(faces.float())
            found = clustered(values, self.config, generator)
        size = (faces.shape[-2], faces.shape[-1])
        reference = resized(self.reference.unsqueeze(0), size)[0]
        return FaceMaps(named(found.maps, values, reference, self.config), found.degenerate)


LANDMARK_ORDER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("left_eye", ("left_eye",)),
    ("right_eye", ("right_eye",)),
    ("mouth", ("outer_lips", "inner_lips")),
    ("nose", ("nose_base",)),
    ("left_brow", ("left_brow",)),
    ("right_brow", ("right_brow",)),
)
"""The features around which landmark regions lie: the first K of these."""


class LandmarkCells(_Frozen):
    """Control: the face divided by landmarks, each pixel to the nearest of K facial features.

    K = 3 gives the left eye's part, the right eye's and the mouth's: the landmarks that the
    paper's clusters are said to be, with areas like theirs.
    """

    def __init__(self, config: MethodConfig) -> None:
        super().__init__()
        if config.clusters > len(LANDMARK_ORDER):
            raise FerturbError(
                f"landmark-regions knows {len(LANDMARK_ORDER)} features, got {config.clusters} "
                f"clusters; give clusters from 1 to {len(LANDMARK_ORDER)}"
            )
        self.points = [
            [i for group in groups for i in GROUPS[group]]
            for _, groups in LANDMARK_ORDER[: config.clusters]
        ]

    @torch.no_grad()
    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> FaceMaps:
        """Cluster maps of the faces, at their size; without landmarks the mean face's."""
        images = (faces[:, 0] * 255).round().clamp(0, 255).to(torch.uint8)
        with torch.autocast(faces.device.type, enabled=False):
            found = find_landmarks(images, device=faces.device)
        middles = torch.stack([found.points[:, i].mean(1) for i in self.points], 1)
        rows, columns = (torch.arange(s, dtype=middles.dtype) for s in faces.shape[-2:])
        x = columns[None, None, None, :] - middles[:, :, 0, None, None]
        y = rows[None, None, :, None] - middles[:, :, 1, None, None]
        maps = (x.square() + y.square()).argmin(1)
        lost = torch.tensor([source == "mean shape" for source in found.source], dtype=torch.bool)
        return FaceMaps(maps.to(faces.device), lost.to(faces.device))


@torch.no_grad()
def mean_attention(
    attention: Intensity, images: UInt8[Tensor, "n h w"], batch_size: int = 256
) -> Float[Tensor, "h w"]:
    """The attention map averaged over faces, float64 sums, float32 result."""
    total = torch.zeros(images.shape[1:], dtype=torch.float64)
    for batch in images.split(batch_size):  # type: ignore[no-untyped-call]
        total += attention(batch.unsqueeze(1).float().div(255)).double().sum(0).cpu()
    return (total / len(images)).float()


def maps_of_faces(
    find: Finder, images: UInt8[Tensor, "n h w"], batch_size: int = 256
) -> tuple[UInt8[Tensor, "n h w"], int]:
    """The cluster map of every face (uint8: K is at most 64), and how many were degenerate."""
    maps, count = torch.empty(images.shape, dtype=torch.uint8), 0
    for start in range(0, len(images), batch_size):
        some = slice(start, start + batch_size)
        found = find(images[some].unsqueeze(1).float().div(255))
        maps[some] = found.maps.to(torch.uint8).cpu()
        count += int(found.degenerate.sum())
    return maps, count
