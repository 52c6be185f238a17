"""The Perturb Scheme: faces with one cluster left out, in training and at test time.

Qiu, "Leaving Some Facial Features Behind", arXiv 2411.00824, section 3. Three phases:

1. a classifier with spatial attention between its stages (method `attention`);
2. K-means over the pixels (`clusters.py`), by default one cluster map an epoch from the attention
   averaged over training faces (`cluster_maps.py`);
3. a new network, the predictor, trained on the K+1 views of each face: the face with one
   cluster left out (black), for each of the K clusters, and the face itself (`views.py`). At test
   time the logits of the views are summed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from ferturb.base.config import MethodConfig
from ferturb.base.errors import FerturbError
from ferturb.models.device import sent
from ferturb.perturb.cluster_maps import MapSource, face_draws, maps_of_faces
from ferturb.perturb.view_classifier import model_at_test_time
from ferturb.perturb.views import views_of
from ferturb.training.inputs import Batch, TrainingInputs

WHOLE_FROM = 0.75
"""Share of the training after which a falling schedule shows whole faces only."""


class ClusterViews(TrainingInputs):
    """Method `perturb` and its kin: views from cluster maps.

    The names of clusters follow a reference map, found once from training faces. With scope
    `epoch` each epoch has a map of its own, from other faces; with scope `face` each face has one,
    which goes through augmentation with it; with scope `fixed` the reference is used throughout;
    with scope `batch` the inputs of an epoch's first step give its map.
    """

    def __init__(
        self, config: MethodConfig, source: MapSource, training_images: UInt8[Tensor, "n *c h w"]
    ) -> None:
        self.config = config
        self.source = source
        self.images = training_images
        self.uninformative = 0
        """Faces (scope `face`) or mean maps (0 or 1) whose attention carried no information."""
        self._map: Tensor | None = None
        self._face_maps: Tensor | None = None
        self._strength = 1.0
        self._first_step = False

    @property
    def cluster_map(self) -> Int64[Tensor, "h w"]:
        """The current map; with scope `face` the reference that gives the clusters their names."""
        if self._map is None:
            raise FerturbError("ClusterViews has no cluster map yet: call start_epoch first")
        return self._map

    def attach(self, network: nn.Module) -> Sequence[RemovableHandle]:
        """Have the attention computed where the network is trained; nothing is hooked in."""
        self.source.compute_like(network)
        return ()

    def start_epoch(self, epoch: int, generator: torch.Generator, progress: float = 0.0) -> None:
        """Phase 2: this epoch's cluster map, or once for all that of every face."""
        c, source = self.config, self.source
        self._strength = strength(c.schedule, progress) * c.view_probability
        self._first_step = c.scope == "batch" and not source.by_face(c)
        if source.reference is None:
            source.reference, self.uninformative = source.find_reference(self.images)
        reference = source.reference
        if source.by_face(c):
            self._map = reference
            if self._face_maps is None:
                maps, self.uninformative = maps_of_faces(source, self.images)
                self._face_maps = source.assigned(maps)
        elif c.scope in ("epoch", "batch"):
            shared, self.uninformative = source.shared(self.images, generator)
            self._map = source.redrawn(shared[None], generator)[0]
        else:
            self._map = source.redrawn(reference[None], face_draws())[0]

    def __call__(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "v c h w"]:
        """All K+1 views of each face, or one drawn at random, or one beside the whole face.

        What is drawn repeats with the batch's augmentation.
        """
        c, draws = self.config, batch.generator
        if not c.train_views:
            return batch.augmented()
        faces, maps = self._augmented(batch, generator)
        drawn = self._drawn(len(faces), draws)
        return views_of(faces, maps, c.clusters, c.view_kind, c.fill, draws, drawn).flatten(0, 1)

    def _augmented(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augmented faces, and one map for all of them or their own that moved with them."""
        if self._face_maps is None:
            faces = batch.augmented()
            if self._first_step:
                self._map, self._first_step = self.source.of_batch(faces, generator), False
            return faces, sent(self.cluster_map[None], batch.images.device)
        faces, maps = batch.augmented_with(self._face_maps[batch.index])
        return faces, self.source.redrawn(maps, batch.generator)

    def _drawn(self, b: int, generator: torch.Generator) -> Int64[Tensor, "b n"]:
        """Which view each input shows; K is the whole face."""
        c, k = self.config, self.config.clusters
        if c.views == "all":
            drawn = torch.arange(k + 1).repeat(b, 1)
        elif c.views == "pair":
            about = torch.randint(k, (b, 1), generator=generator)
            drawn = torch.cat([about, torch.full((b, 1), k)], 1)
        else:
            drawn = torch.randint(k + 1, (b, 1), generator=generator)
        if c.left_out_cluster == "most-attended":
            drawn = torch.where(drawn < k, 0, drawn)
        if self._strength < 1:
            used = torch.rand(drawn.shape, generator=generator) < self._strength
            drawn = torch.where(used, drawn, k)
        return drawn

    def extra_loss(self, logits: Float[Tensor, "v 7"]) -> Float[Tensor, ""] | None:
        """The consistency loss, if the method has it."""
        if not self.config.consistency or not self.config.train_views:
            return None
        return self.config.consistency * view_divergence(
            logits.view(-1, self.config.views_per_face, logits.shape[1])
        )

    def at_test_time(self, network: nn.Module) -> nn.Module:
        """The summed views, unless the method leaves them out at test time."""
        own = self.source if self.source.at_test_time(self.config) else None
        return model_at_test_time(self.config, network, self.cluster_map, own)

    def epoch_record(self) -> Mapping[str, Tensor]:
        """The current map (h, w), and how many attention maps carried no information."""
        maps = self.cluster_map.to(torch.uint8)
        return {"maps": maps, "uninformative": torch.tensor(self.uninformative)}


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
