"""The methods by name: what a training shows, where cluster maps come from, what it costs.

`perturb` and its variants share `ClusterViews`; most are told apart by the options that their
name settles (`ferturb.base.config.METHOD_OPTIONS`) or starts from (`METHOD_PRESETS`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxtyping import Int64
from torch import Tensor

from ferturb.base.config import MethodConfig, choose
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.features.holes import feature_holes
from ferturb.features.training_variants import training_variants
from ferturb.models.classifier import Classifier
from ferturb.perturb.batch_attention import EvenBatchAttention
from ferturb.perturb.cluster_maps import AttentionClusters, MapSource
from ferturb.perturb.cluster_views import ClusterViews
from ferturb.perturb.controls import LandmarkCells, RandomRegions
from ferturb.perturb.eac import ErasingConsistency
from ferturb.perturb.feature_dropping import AttendedDropout, MapDropout
from ferturb.perturb.grids import GridMask, HideAndSeek
from ferturb.perturb.hidden_variants import HiddenVariants, masked_faces
from ferturb.perturb.random_erasing import RandomErasing
from ferturb.perturb.two_stage import TwoStageInputs
from ferturb.training.inputs import TrainingInputs

Build = Callable[[MethodConfig, Faces, Classifier | None], TrainingInputs]
"""(config, faces of all splits, attention classifier of phase 1) -> what the network is shown."""


@dataclass(frozen=True)
class Method:
    """One entry of `METHODS`."""

    about: str
    inputs: Build
    map_source: type[MapSource] | None = None
    """Where its cluster maps come from, if it has any."""
    has_views: bool = False
    """Whether it shows `MethodConfig.views_per_face` inputs a face and step."""
    trains_as: str | None = None
    """The method whose training this one's is, where they differ at test time alone."""
    in_backbone: Callable[[MethodConfig], bool] = lambda _: False
    """Whether it acts inside the backbone while that trains."""


def _whole_faces(*_: object) -> TrainingInputs:
    return TrainingInputs()


def _variants(config: MethodConfig, faces: Faces, attention: Classifier | None) -> TrainingInputs:
    images = faces.split("train").images
    return HiddenVariants(images, training_variants(faces), config.hidden_probability)


def _holes(config: MethodConfig, faces: Faces, attention: Classifier | None) -> TrainingInputs:
    images = faces.split("train").images
    return HiddenVariants(images, feature_holes(images), config.hidden_probability)


def _half_masked(config: MethodConfig, faces: Faces, _: object) -> TrainingInputs:
    images, worn = faces.split("train").images, masked_faces(faces)
    return HiddenVariants(images, worn[None], config.hidden_probability)


def _two_stage(config: MethodConfig, faces: Faces, _: object) -> TrainingInputs:
    images, worn = faces.split("train").images, masked_faces(faces)
    return TwoStageInputs(images, worn[None], config.hidden_probability)


def _from_maps(
    about: str, source: type[MapSource] = AttentionClusters, trains_as: str | None = None
) -> Method:
    """A method whose views come from cluster maps."""

    def build(config: MethodConfig, faces: Faces, attention: Classifier | None) -> ClusterViews:
        return ClusterViews(config, source(config, attention), faces.split("train").images)

    return Method(about, build, source, has_views=True, trains_as=trains_as)


METHODS: dict[str, Method] = {
    "baseline": Method("whole faces", _whole_faces),
    "attention": Method("phase 1 of the Perturb Scheme", _whole_faces),
    "perturb": _from_maps("the Perturb Scheme"),
    "random-regions": _from_maps("control: random regions with the clusters' areas", RandomRegions),
    "uniform-clusters": _from_maps("control: clusters of place alone (α = 0)"),
    "landmark-regions": _from_maps("control: the face divided by its landmarks", LandmarkCells),
    "random-erasing": Method(
        "control: random rectangles", lambda config, *_: RandomErasing(config), has_views=True
    ),
    "hide-and-seek": Method(
        "rival: cells of a grid hidden", lambda config, *_: HideAndSeek(config)
    ),
    "grid-mask": Method("rival: squares of a grid hidden", lambda config, *_: GridMask(config)),
    "eac": Method(
        "rival: attention to an erased face and its mirror image alike",
        lambda config, *_: ErasingConsistency(config),
        has_views=True,
        in_backbone=lambda config: config.mirror == "attention",
    ),
    "adl": Method(
        "rival: the most attended places of feature maps dropped",
        lambda config, *_: AttendedDropout(config),
        in_backbone=lambda _: True,
    ),
    "mad": Method(
        "rival: maps of local attention dropped",
        lambda *_: MapDropout(),
        in_backbone=lambda _: True,
    ),
    "batch-attention": Method(
        "EmoNeXt's regulariser: faces of a batch attend to each other alike",
        lambda *_: EvenBatchAttention(),
        in_backbone=lambda _: True,
    ),
    "extra-epochs": Method("control: whole faces, as many passes", _whole_faces),
    "train-views-only": _from_maps(
        "control: views in training, whole faces at test time", trains_as="perturb"
    ),
    "test-views-only": _from_maps(
        "control: whole faces in training, views at test time", trains_as="baseline"
    ),
    "perturb-face": _from_maps("the Perturb Scheme with clusters of each face"),
    "perturb-blur": _from_maps("clusters of each face, blurred where left out"),
    "drop-attended": _from_maps("the most attended cluster left out more and more often"),
    "anneal": _from_maps("views early, whole faces at the end"),
    "perturb-seldom": _from_maps("a cluster left out of one face in four, whole at test time"),
    "view-consistency": _from_maps("views should predict what the whole face does"),
    "robust": Method("faces with something hidden among whole ones", _variants),
    "half-masked": Method("faces with and without face masks, half of each", _half_masked),
    "two-stage": Method(
        "a mask detector and a network for each kind of face",
        _two_stage,
        in_backbone=lambda _: True,
    ),
    "features-left-out": Method("faces without a facial feature among whole ones", _holes),
}
"""Method name -> what it is."""


def check_method(config: MethodConfig, trained: str) -> None:
    """Raise `FerturbError` for an unknown method, and for one that can't act on what is trained
    (`RecipeConfig.trained`)."""
    if choose("method", config.name, METHODS).in_backbone(config) and trained == "head":
        raise FerturbError(
            f"method {config.name} acts inside the backbone while that trains, and trained='head' "
            "(--freeze) leaves it as it starts; train all weights, or choose another method"
        )


def training_inputs(
    config: MethodConfig, faces: Faces, attention: Classifier | None = None
) -> TrainingInputs:
    """What a network is shown in a training on these faces.

    `attention` is the classifier of phase 1. `FerturbError` for an unknown method, and for one
    that lacks its attention classifier.
    """
    return choose("method", config.name, METHODS).inputs(config, faces, attention)


def source_at_test_time(
    config: MethodConfig,
    cluster_map: Int64[Tensor, "h w"],
    attention: Callable[[], Classifier | None],
) -> MapSource | None:
    """What gives new faces maps of their own; None for a method that has one for all.

    `cluster_map` is that of the kept epoch, `attention` loads the classifier of phase 1.
    """
    source = choose("method", config.name, METHODS).map_source
    if source is None or not config.test_views or not source.at_test_time(config):
        return None
    return source(config, attention() if needs_attention(config) else None, cluster_map)


def needs_attention(config: MethodConfig) -> bool:
    """Whether a method's maps come from an attention run (phase 1)."""
    source = choose("method", config.name, METHODS).map_source
    return source is not None and source.attends and config.uses_attention


def trained_as(config: MethodConfig) -> MethodConfig | None:
    """The method whose training this one's is, where they differ at test time alone.

    >>> trained_as(MethodConfig("train-views-only", clusters=5)).clusters
    5
    """
    name = choose("method", config.name, METHODS).trains_as
    if name is None:
        return None
    if METHODS[name].map_source is None:
        return MethodConfig(name)
    return replace(config, name=name, train_views=True, test_views=True)


HIDES_ITSELF = ("robust", "half-masked", "two-stage")
"""Methods that put things on whole faces themselves, and refuse faces that wear some."""


def passes(config: MethodConfig) -> int:
    """Network passes a face and step in training; the baseline has one.

    >>> [passes(MethodConfig("perturb", views=v)) for v in ("all", "sample", "pair")]
    [4, 1, 2]
    """
    has_views = choose("method", config.name, METHODS).has_views and config.train_views
    return config.views_per_face if has_views else 1


def epochs_within(config: MethodConfig, epochs: int) -> int:
    """Epochs of this method that cost what `epochs` of the baseline do, at least one.

    >>> epochs_within(MethodConfig("perturb"), 24), epochs_within(MethodConfig("baseline"), 24)
    (6, 24)
    """
    return max(1, round(epochs / passes(config)))


def epochs_at_equal_compute(config: MethodConfig, epochs: int) -> int:
    """Epochs of a run of this method: `extra-epochs` gets what K+1 views would have cost."""
    return epochs * config.views_per_face if config.name == "extra-epochs" else epochs
