"""The Perturb Scheme: faces with one cluster left out, in training and at test time.

Qiu, "Leaving Some Facial Features Behind", arXiv 2411.00824, section 3. Three phases:

1. a classifier with spatial attention between its stages (method `attention`);
2. K-means over the pixels (`clusters.py`), by default one cluster map an epoch from the attention
   averaged over training faces (`cluster_maps.py`);
3. a new network, the predictor, trained on the K+1 views of each face: the face with one
   cluster left out (black), for each of the K clusters, and the face itself (`views.py`). At test
   time the logits of the views are summed.

A `TrainingViews` is what a method makes of a batch; the training loop knows no more of it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ferturb.base.config import MethodConfig
from ferturb.base.errors import FerturbError
from ferturb.perturb.cluster_maps import (
    FACE_SEED,
    Finder,
    Intensity,
    clustered,
    maps_of_faces,
    mean_attention,
    named,
)
from ferturb.perturb.view_classifier import Recut, ViewClassifier
from ferturb.perturb.views import drawn_views, views_of

WHOLE_FROM = 0.75
"""Share of the training after which a falling schedule shows whole faces only."""


class ClusterViews:
    """Method `perturb` and its kin: views from cluster maps.

    The names of clusters follow a reference map, clustered once from the attention averaged over
    `attention_faces` training faces. With scope `epoch` each epoch draws other faces and clusters
    their mean attention; with scope `face` each face has a map of its own (`find`), which goes
    through augmentation with it; with scope `fixed` the reference is used throughout.
    """

    def __init__(
        self,
        config: MethodConfig,
        intensity: Intensity,
        training_images: UInt8[Tensor, "n h w"],
        find: Callable[[Tensor], Finder] | None = None,
        recut: Recut | None = None,
        reference: Int64[Tensor, "h w"] | None = None,
    ) -> None:
        """`intensity` maps faces (b, 1, h, w) in [0, 1] to attention maps (b, h, w).

        `find`, given the reference map, gives what clusters faces one by one; without it the map
        is shared. `recut` replaces every map that was found. `reference` None is clustered.
        """
        self.config = config
        self.intensity = intensity
        self.images = training_images
        self.recut = recut
        self._find = find
        self._finder: Finder | None = None
        self._reference: Tensor | None = reference
        self._map: Tensor | None = None
        self._face_maps: tuple[Tensor, int] | None = None
        self._degenerate = 0
        self._strength = 1.0

    def start_epoch(self, epoch: int, generator: torch.Generator, progress: float = 0.0) -> None:
        """Phase 2: this epoch's cluster map, or once for all that of every face."""
        self._strength = strength(self.config.schedule, progress) * self.config.share
        reference = self._named_reference()
        self._map = reference
        if self._find is not None:
            self._finder = self._finder or self._find(reference)
            self._face_maps = self._face_maps or maps_of_faces(self._finder, self.images)
            self._degenerate = self._face_maps[1]
        elif self.config.scope == "epoch":
            self._map, self._degenerate = self._shared_map(generator, reference)
        if self.recut is not None:
            self._map = self._recut_shared(generator)

    def _recut_shared(self, generator: torch.Generator) -> Tensor:
        assert self.recut is not None
        if self.config.scope != "epoch":
            generator = torch.Generator().manual_seed(FACE_SEED)  # the same in every epoch
        recut: Tensor = self.recut(self._current().unsqueeze(0), self.config.clusters, generator)
        return recut[0]

    def _named_reference(self) -> Tensor:
        if self._reference is None:
            seeded = torch.Generator().manual_seed(FACE_SEED)
            self._reference, self._degenerate = self._shared_map(seeded, None)
        return self._reference

    def _shared_map(
        self, generator: torch.Generator, reference: Tensor | None
    ) -> tuple[Tensor, int]:
        """The clusters of the mean attention of some training faces; 1 if it was degenerate."""
        order = torch.randperm(len(self.images), generator=generator)
        images = self.images[order[: self.config.attention_faces].to(self.images.device)]
        values = mean_attention(self.intensity, images).unsqueeze(0)
        found = clustered(values, self.config, generator)
        maps = found.maps
        if reference is not None or self.config.leaves == "most-attended":
            maps = named(maps, values, maps[0] if reference is None else reference, self.config)
        return maps[0], int(found.degenerate.sum())

    def pictures_of(self, index: Int64[Tensor, " b"], generator: torch.Generator) -> None:
        """None."""

    def maps_of(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w"] | None:
        """The faces' own maps, if they have them and views are trained on."""
        if self._face_maps is None or not self.config.train_views:
            return None
        return self._face_maps[0][index]

    def __call__(
        self,
        faces: Float[Tensor, "b 1 h w"],
        generator: torch.Generator,
        maps: Int64[Tensor, "b h w"] | None = None,
    ) -> Float[Tensor, "v 1 h w"]:
        """All K+1 views of each face, or one drawn at random, or one beside the whole face."""
        c = self.config
        if not c.train_views:
            return faces
        if maps is None:
            maps = self._current().unsqueeze(0).to(faces.device)
        elif self.recut is not None:
            maps = self.recut(maps, c.clusters, generator)
        if c.views == "all" and self._strength == 1:
            views = views_of(faces, maps, c.clusters, c.shows, c.fill, generator)
            return views.flatten(0, 1)
        drawn = self._drawn(len(faces), generator).to(faces.device)
        copies = drawn.shape[1]
        return drawn_views(
            faces.repeat_interleave(copies, 0),
            maps if len(maps) == 1 else maps.repeat_interleave(copies, 0),
            drawn.flatten(),
            c.clusters,
            c.shows,
            c.fill,
            generator,
        )

    def _drawn(self, b: int, generator: torch.Generator) -> Int64[Tensor, "b copies"]:
        """Which view each input shows; K is the whole face."""
        c, k = self.config, self.config.clusters
        if c.views == "all":
            drawn = torch.arange(k + 1).repeat(b, 1)
        elif c.views == "pair":
            about = torch.randint(k, (b, 1), generator=generator)
            drawn = torch.cat([about, torch.full((b, 1), k)], 1)
        else:
            drawn = torch.randint(k + 1, (b, 1), generator=generator)
        if c.leaves == "most-attended":
            drawn = torch.where(drawn < k, 0, drawn)
        if self._strength < 1:
            drawn = torch.where(
                torch.rand(drawn.shape, generator=generator) < self._strength, drawn, k
            )
        return drawn

    def extra_loss(self, logits: Float[Tensor, "v 7"], faces: int) -> Float[Tensor, ""] | None:
        """The consistency loss, if the method has it."""
        if not self.config.consistency or not self.config.train_views:
            return None
        return self.config.consistency * view_divergence(logits.view(faces, -1, logits.shape[1]))

    def at_test_time(self, classifier: nn.Module) -> nn.Module:
        """The summed views, unless the method leaves them out at test time."""
        if not self.config.test_views:
            return classifier
        c = self.config
        return ViewClassifier(classifier, self._current(), c.clusters, c, self._finder, self.recut)

    def cluster_map(self) -> Int64[Tensor, "h w"]:
        """The current map; with scope `face` the reference that gives the clusters their names."""
        return self._current()

    def degenerate(self) -> int:
        """Faces (scope `face`) or mean maps (0 or 1) whose attention said nothing."""
        return self._degenerate

    def _current(self) -> Tensor:
        if self._map is None:
            raise FerturbError("ClusterViews has no cluster map yet: call start_epoch first")
        return self._map


def strength(schedule: str, progress: float) -> float:
    """The share of drawn views that are used, 0 … 1, after `progress` of the training.

    >>> [strength("falling", p) for p in (0, 0.375, 0.75, 0.9)]
    [1.0, 0.5, 0.0, 0.0]
    """
    return SCHEDULES[schedule](progress)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "rising": lambda progress: min(1.0, progress),
    "falling": lambda progress: max(0.0, 1.0 - progress / WHOLE_FROM),
}
"""Schedule -> strength by progress."""


def view_divergence(logits: Float[Tensor, "b n 7"]) -> Float[Tensor, ""]:
    """KL divergence of each view's prediction from the whole face's, mean over faces and views.

    The whole face (the last view) is the teacher: no gradient flows into it.
    """
    whole = logits[:, -1:].detach().softmax(-1)
    views = logits[:, :-1].log_softmax(-1)
    divergence = F.kl_div(views, whole.expand_as(views), reduction="none").sum(-1)
    return divergence.mean()
