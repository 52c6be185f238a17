"""The methods by name: how their views are made, what they need and what they cost.

`perturb` and its variants share `ClusterViews`; most are told apart by the options that their
name settles (`ferturb.base.config.METHOD_OPTIONS`) or starts from (`METHOD_PRESETS`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor, nn

from ferturb.base.config import MethodConfig, choose
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.perturb.cluster_maps import FaceClusters, Finder, LandmarkCells, intensity_of, nowhere
from ferturb.perturb.cluster_views import ClusterViews
from ferturb.perturb.controls import random_partitions
from ferturb.perturb.hidden_variants import AlteredCopies
from ferturb.perturb.random_erasing import ErasedViews
from ferturb.perturb.view_classifier import Recut, ViewClassifier
from ferturb.training.inputs import TrainingViews, WholeFaces

Find = Callable[[MethodConfig, Classifier | None, Tensor], Finder]
"""(config, attention classifier, reference map (h, w)) -> what clusters faces one by one."""


@dataclass(frozen=True)
class Method:
    """One entry of `METHODS`; calling it gives the views of a training."""

    about: str
    build: Callable[[Given], TrainingViews]
    has_views: bool = True
    attends: bool = True
    """Whether its maps come from the intensity of Equation 1."""
    always_by_face: bool = False
    find: Find | None = None
    """Clusters faces one by one, where the method's scope is the face."""
    recut: Recut | None = None
    """What replaces the clusters."""
    reference: Callable[[MethodConfig, tuple[int, int]], Tensor] | None = None
    """(config, size) -> the reference map, where it doesn't come from clustering."""
    trains_as: str | None = None
    """The method whose training this one's is, where they differ at test time alone."""
    shows_copies: bool = False
    """Whether faces are also shown with something hidden (`ferturb.features.training_variants`)."""

    def __call__(
        self,
        config: MethodConfig,
        attention: Classifier | None,
        training_images: UInt8[Tensor, "n h w"],
        copies: UInt8[Tensor, "c n h w"] | None = None,
    ) -> TrainingViews:
        """The views of a training; `attention` is the classifier of phase 1 and `copies` the
        training faces with something hidden, where needed."""
        return self.build(Given(self, config, attention, training_images, copies))

    def by_face(self, config: MethodConfig) -> bool:
        """Whether every face has a map of its own."""
        return self.has_views and (self.always_by_face or config.scope == "face")


class Given(NamedTuple):
    """What the views of a training are made of."""

    method: Method
    config: MethodConfig
    attention: Classifier | None
    images: UInt8[Tensor, "n h w"]
    copies: UInt8[Tensor, "c n h w"] | None


def _whole(given: Given) -> TrainingViews:
    return WholeFaces()


def _erased(given: Given) -> TrainingViews:
    return ErasedViews(given.config)


def _altered(given: Given) -> TrainingViews:
    if given.copies is None:
        raise FerturbError(
            f"method {given.config.name!r} needs the altered copies of the training faces"
        )
    return AlteredCopies(given.images, given.copies, given.config.altered)


def _clusters(given: Given) -> TrainingViews:
    method, config, images = given.method, given.config, given.images
    intensity = intensity_of(config, given.attention) if method.attends else nowhere
    find = _finding(method, config, given.attention)
    size = (images.shape[1], images.shape[2])
    reference = None if method.reference is None else method.reference(config, size)
    return ClusterViews(config, intensity, images, find, method.recut, reference)


def _finding(
    method: Method, config: MethodConfig, attention: Classifier | None
) -> Callable[[Tensor], Finder] | None:
    find = method.find
    if find is None or not method.by_face(config):
        return None
    return lambda reference: find(config, attention, reference)


def _landmarks(config: MethodConfig, attention: Classifier | None, reference: Tensor) -> Finder:
    return LandmarkCells(config)


def _mean_landmarks(config: MethodConfig, size: tuple[int, int]) -> Tensor:
    maps: Tensor = LandmarkCells(config)(torch.zeros(1, 1, *size)).maps  # no face: mean shape
    return maps[0]


def _views(about: str, recut: Recut | None = None, trains_as: str | None = None) -> Method:
    return Method(about, _clusters, find=FaceClusters, recut=recut, trains_as=trains_as)


METHODS: dict[str, Method] = {
    "baseline": Method("whole faces", _whole, has_views=False),
    "attention": Method("phase 1 of the Perturb Scheme", _whole, has_views=False),
    "perturb": _views("the Perturb Scheme"),
    "random-regions": _views("control: random regions with the clusters' areas", random_partitions),
    "uniform-clusters": _views("control: clusters of place alone (α = 0)"),
    "landmark-regions": Method(
        "control: the face divided by its landmarks",
        _clusters,
        attends=False,
        always_by_face=True,
        find=_landmarks,
        reference=_mean_landmarks,
    ),
    "random-erasing": Method("control: random rectangles", _erased, attends=False),
    "extra-epochs": Method("control: whole faces, as many passes", _whole, has_views=False),
    "train-views-only": _views(
        "control: views in training, whole faces at test time", trains_as="perturb"
    ),
    "test-views-only": _views(
        "control: whole faces in training, views at test time", trains_as="baseline"
    ),
    "perturb-face": _views("the Perturb Scheme with clusters of each face"),
    "perturb-blur": _views("clusters of each face, blurred where left out"),
    "drop-attended": _views("the most attended cluster left out more and more often"),
    "anneal": _views("views early, whole faces at the end"),
    "perturb-seldom": _views("a cluster left out of one face in four, whole faces at test time"),
    "view-consistency": _views("views should predict what the whole face does"),
    "robust": Method(
        "faces with something hidden among whole ones", _altered, has_views=False, shows_copies=True
    ),
}
"""Method name -> what it is."""


def needs_attention(config: MethodConfig) -> bool:
    """Whether a method's maps come from an attention run (phase 1)."""
    method = choose("method", config.name, METHODS)
    return (
        method.has_views
        and method.attends
        and config.intensity == "attention"
        and config.intensity_weight > 0
    )


def trained_as(config: MethodConfig) -> MethodConfig | None:
    """The method whose training this one's is, where they differ at test time alone.

    >>> trained_as(MethodConfig("train-views-only", clusters=5)).clusters
    5
    """
    name = choose("method", config.name, METHODS).trains_as
    if name is None:
        return None
    if not METHODS[name].has_views:
        return MethodConfig(name)
    return replace(config, name=name, train_views=True, test_views=True)


def passes(config: MethodConfig) -> int:
    """Network passes a face and step in training; the baseline has one.

    >>> [passes(MethodConfig("perturb", views=v)) for v in ("all", "sample", "pair")]
    [4, 1, 2]
    """
    if not choose("method", config.name, METHODS).has_views or not config.train_views:
        return 1
    return {"all": config.clusters + 1, "pair": 2, "sample": 1}[config.views]


def epochs_within(config: MethodConfig, epochs: int) -> int:
    """Epochs of this method that cost what `epochs` of the baseline do, at least one.

    >>> epochs_within(MethodConfig("perturb"), 24), epochs_within(MethodConfig("baseline"), 24)
    (6, 24)
    """
    return max(1, round(epochs / passes(config)))


def epochs_at_equal_compute(config: MethodConfig, epochs: int) -> int:
    """Epochs of a run of this method: `extra-epochs` gets what K+1 views would have cost."""
    if config.name != "extra-epochs":
        return epochs
    return epochs * {"all": config.clusters + 1, "pair": 2, "sample": 1}[config.views]


def model_at_test_time(
    config: MethodConfig,
    classifier: nn.Module,
    cluster_map: Int64[Tensor, "h w"] | None,
    attention: Classifier | None = None,
) -> nn.Module:
    """The model as its method uses it on new faces; `cluster_map` is that of the kept epoch.

    A method that clusters faces one by one needs its attention classifier again.
    """
    if cluster_map is None or not config.test_views:
        return classifier
    method = choose("method", config.name, METHODS)
    finding = _finding(method, config, attention)
    find = None if finding is None else finding(cluster_map)
    return ViewClassifier(
        classifier, cluster_map, config.clusters, config, find, method.recut
    ).eval()
