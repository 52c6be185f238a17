"""Controls: map sources for the same views at the same cost, without what is said to matter.

- `RandomRegions`: in place of clusters, random regions with the clusters' areas.
- `LandmarkCells`: in place of attention, facial landmarks.

Clusters of place alone are `AttentionClusters` with α = 0; random erasing has no maps
(`ferturb.perturb.random_erasing`).
"""

from __future__ import annotations

import hashlib
import math

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from ferturb.base.config import MethodConfig
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import as_images
from ferturb.features.landmark_network import SIDE
from ferturb.features.landmarks import find_landmarks, shipped_model
from ferturb.features.points import GROUPS
from ferturb.models.classifier import Classifier
from ferturb.perturb.cluster_maps import AttentionClusters, FaceMaps, MapSource, face_draws

JITTER = math.radians(30)
"""How far a cut may turn from the direction straight across what is left."""


def partition_draws(b: int, k: int, generator: torch.Generator) -> Float[Tensor, "3 b k"]:
    """The chance in `random_partitions` of b faces, in [0, 1): the order of their regions, how far
    each cut turns, and on which side it lies."""
    return torch.rand(3, b, k, generator=generator)


def random_partitions(
    clusters: Int64[Tensor, "b h w"], k: int, draws: Float[Tensor, "3 b k"]
) -> Int64[Tensor, "b h w"]:
    """A random partition of each face whose region j has exactly as many pixels as cluster j.

    Regions are cut off one after the other, in random order, by straight lines: the first in any
    direction, the others across the longer axis of what is left, give or take 30° (`draws`, of
    `partition_draws`). So every region is the whole of a convex piece of the face, and connected.
    An empty cluster stays so.
    """
    b, h, w = clusters.shape
    device = clusters.device
    flat = clusters.flatten(1)
    areas = torch.zeros(b, k, dtype=torch.int64, device=device)
    areas.scatter_add_(1, flat, torch.ones_like(flat))
    order, turns, sides = draws[0].argsort(1).to(device), draws[1].to(device), draws[2].to(device)
    sides = sides < 0.5
    rows, columns = torch.meshgrid(*(torch.arange(s, device=device) for s in (h, w)), indexing="ij")
    place = torch.stack([columns.flatten(), rows.flatten()]).float()
    left = torch.ones(b, h * w, dtype=torch.bool, device=device)
    labels = order[:, -1:].expand(b, h * w).clone()
    for step in range(k - 1):
        number = order[:, step]
        across = _longer_axis(place, left) + (2 * turns[:, step] - 1) * JITTER
        angle = across if step else 2 * math.pi * turns[:, step]
        angle = angle + math.pi * sides[:, step]
        along = angle.cos()[:, None] * place[0] + angle.sin()[:, None] * place[1]
        along = torch.where(left, along, torch.inf)
        rank = along.argsort(1).argsort(1)
        cut = rank < areas.gather(1, number[:, None])
        labels = torch.where(cut, number[:, None], labels)
        left &= ~cut
    return labels.view(b, h, w)


def _longer_axis(place: Float[Tensor, "2 n"], left: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """The angle of the direction in which the pixels that are left spread most."""
    weight = left.to(place.dtype)
    mean = weight @ place.T / weight.sum(1, keepdim=True).clamp_min(1)
    second = weight @ torch.stack([place[0] ** 2, place[1] ** 2, place[0] * place[1]]).T
    second = second / weight.sum(1, keepdim=True).clamp_min(1)
    xx = second[:, 0] - mean[:, 0] ** 2
    yy = second[:, 1] - mean[:, 1] ** 2
    xy = second[:, 2] - mean[:, 0] * mean[:, 1]
    return 0.5 * torch.atan2(2 * xy, xx - yy)


class RandomRegions(AttentionClusters):
    """Control: random regions with the clusters' areas, drawn anew whenever maps are used in
    training; those of a new face follow from its pixels."""

    def redrawn(
        self, maps: Int64[Tensor, "b h w"], generator: torch.Generator
    ) -> Int64[Tensor, "b h w"]:
        """Random regions in place of each map's clusters."""
        k = self.config.clusters
        return random_partitions(maps, k, partition_draws(len(maps), k, generator))

    def of_new_faces(
        self, maps: Int64[Tensor, "b h w"], faces: Float[Tensor, "b c h w"]
    ) -> Int64[Tensor, "b h w"]:
        """Likewise; the draws are seeded by the face."""
        k = self.config.clusters
        seeded = [partition_draws(1, k, _generator_of(image)) for image in as_images(faces.float())]
        return random_partitions(maps, k, torch.cat(seeded, 1))


def _generator_of(image: UInt8[Tensor, "*c h w"]) -> torch.Generator:
    """Draws that follow from an image's pixels."""
    digest = hashlib.blake2b(image.cpu().numpy().tobytes(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


LANDMARK_ORDER: tuple[tuple[str, ...], ...] = (
    ("left_eye",),
    ("right_eye",),
    ("outer_lips", "inner_lips"),
    ("nose_base",),
    ("left_brow",),
    ("right_brow",),
)
"""The points around which landmark regions lie: the first K of these."""


class LandmarkCells(MapSource):
    """Control: the face divided by landmarks, each pixel to the nearest of K facial features.

    K = 3 gives the left eye's part, the right eye's and the mouth's: the landmarks that the
    paper's clusters are said to be, with areas like theirs. Every face has a map of its own. With
    `at_random` each training face has that of another one, the same throughout: regions of the same
    kind and variety that lie elsewhere than its own features.
    """

    def __init__(
        self,
        config: MethodConfig,
        attention: Classifier | None = None,
        reference: Int64[Tensor, "h w"] | None = None,
    ) -> None:
        """`FerturbError` for more clusters than features; attention is not used."""
        super().__init__(config, None, reference)
        if config.clusters > len(LANDMARK_ORDER):
            raise FerturbError(
                f"landmark-regions knows {len(LANDMARK_ORDER)} features, got {config.clusters} "
                f"clusters; give clusters from 1 to {len(LANDMARK_ORDER)}"
            )
        self.points = [
            [i for group in groups for i in GROUPS[group]]
            for groups in LANDMARK_ORDER[: config.clusters]
        ]

    @classmethod
    def by_face(cls, config: MethodConfig) -> bool:
        """Always."""
        return True

    def find_reference(self, images: UInt8[Tensor, "n *c h w"]) -> tuple[Tensor, int]:
        """The map of the mean face."""
        size = (images.shape[-2], images.shape[-1])
        scale = torch.tensor([size[1] / SIDE, size[0] / SIDE])
        mean = shipped_model().mean_shape * scale + (scale - 1) / 2
        return self._cells(mean[None], size)[0], 0

    @torch.no_grad()
    def of_faces(self, faces: Float[Tensor, "b c h w"]) -> FaceMaps:
        """The cells of each face; a face without landmarks gets the mean face's."""
        images = as_images(faces.clamp(0, 1))
        with torch.autocast(faces.device.type, enabled=False):
            found = find_landmarks(images, device=faces.device)
        maps = self._cells(found.points, (faces.shape[2], faces.shape[3]))
        lost = torch.tensor([source == "mean shape" for source in found.source], dtype=torch.bool)
        return FaceMaps(maps.to(faces.device), lost.to(faces.device))

    def assigned(self, maps: UInt8[Tensor, "n h w"]) -> UInt8[Tensor, "n h w"]:
        """Each face's own, or with `at_random` those of another face, no two faces the same."""
        if not self.config.at_random:
            return maps
        circle = torch.randperm(len(maps), generator=face_draws())
        others = torch.empty_like(maps)
        others[circle] = maps[circle.roll(1)]
        return others

    def _cells(
        self, points: Float[Tensor, "b p 2"], size: tuple[int, int]
    ) -> Int64[Tensor, "b h w"]:
        """For each pixel the nearest of the features' middles."""
        middles = torch.stack([points[:, i].mean(1) for i in self.points], 1)
        rows, columns = (torch.arange(s, dtype=middles.dtype) for s in size)
        x = columns[None, None, None, :] - middles[:, :, 0, None, None]
        y = rows[None, None, :, None] - middles[:, :, 1, None, None]
        return (x.square() + y.square()).argmin(1)
