"""What a run is: dataset, model, method, recipe and seed, as frozen dataclasses.

Every field has a default, every preset has a name, and ``RunConfig.to_dict`` /
``RunConfig.from_dict`` go to JSON and back without loss. Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from ferturb.config_dataset import DatasetConfig as DatasetConfig
from ferturb.config_fields import LATER as LATER
from ferturb.config_fields import build as _build
from ferturb.config_fields import choose as choose
from ferturb.config_fields import in_range as _in_range
from ferturb.config_fields import unknown as unknown
from ferturb.errors import FerturbError

SALIENCY = "smoothgrad"
"""The saliency method where none is asked for: of those that are fast, the one that named the right
facial features most often where they are known."""


@dataclass(frozen=True)
class ModelConfig:
    """Which network maps a face to seven logits."""

    name: str = "compact"
    """`compact`, `vgg16`, `resnet18`, `densenet121`, `dpn26`, `resmasking`, …, or any timm name."""
    attention: bool = False
    """Add CBAM spatial attention."""
    dropout: float = 0.0
    """Probability of dropping a feature before the last linear layer, 0 … 1."""
    attention_at: Literal["stages", "input"] = field(default="stages", metadata=LATER)
    """Where spatial attention sits: between the stages, or on the input alone."""


@dataclass(frozen=True)
class MethodConfig:
    """How the network is trained: on whole faces, on views, or by a control.

    The names are those of `ferturb.perturb.methods.METHODS`. Some names settle options by what
    they mean (`METHOD_OPTIONS`); those options can't be given otherwise.
    """

    name: str = "baseline"
    """`baseline` (whole faces), `attention` (phase 1 of the Perturb Scheme), `perturb`, or a
    control or variant: `random-regions`, `uniform-clusters`, `random-erasing`, …"""
    clusters: int = 3
    """K, the number of clusters (paper: 3)."""
    distance_weight: float = 1.5
    """λ of Equation 1, the weight of row and column."""
    intensity_weight: float = 1.2
    """α of Equation 1, the weight of the intensity; 0 clusters by place alone."""
    attention_threshold: float = 0.5
    """Attention below this share of its range counts as 0 in the intensity, 0 … 1."""
    attention_faces: int = 4096
    """How many training faces the attention of a shared cluster map is averaged over."""
    views: Literal["all", "sample", "pair"] = "all"
    """Train on all K+1 views of a face, on one drawn at random per face and step, or on one
    drawn among the K with something left out, beside the whole face."""
    test_views: bool = True
    """Sum the logits of all K+1 views at test time (the paper), or use the whole face only."""
    train_views: bool = field(default=True, metadata=LATER)
    """Train on views; False trains on whole faces."""
    intensity: Literal["attention", "pixels"] = field(default="attention", metadata=LATER)
    """I of Equation 1: the attention map, or the face's pixels (no threshold, no phase 1)."""
    attention_from: Literal["stages", "input"] = field(default="stages", metadata=LATER)
    """The attention map: the mean of the stage gates, or one gate on the input alone."""
    scope: Literal["epoch", "face", "fixed"] = field(default="epoch", metadata=LATER)
    """One cluster map an epoch (the paper), one for each face, or one for the whole training."""
    shows: Literal["leave-one-out", "keep-one"] = field(default="leave-one-out", metadata=LATER)
    """What a view shows: all but one cluster (the paper's figure 4), or one cluster only."""
    fill: Literal["black", "mean", "blur", "noise"] = field(default="black", metadata=LATER)
    """What stands where a view leaves pixels out."""
    leaves: Literal["any", "most-attended"] = field(default="any", metadata=LATER)
    """Which cluster a drawn view is about: any, or the one with the highest mean intensity."""
    schedule: Literal["constant", "rising", "falling"] = field(default="constant", metadata=LATER)
    """How the share of faces that lose something goes over the training: as drawn; rising from
    none at the start to all that are drawn; or falling to none, the last quarter on whole faces.
    """
    share: float = field(default=1.0, metadata=LATER)
    """The share of drawn views that are used, 0 … 1; in place of the others the whole face is
    shown."""
    consistency: float = field(default=0.0, metadata=LATER)
    """Weight of the loss between a face's views (KL divergence from the whole face's
    prediction); 0 is off. Needs `views` "all" or "pair"."""
    erased: tuple[float, float] = field(default=(0.02, 0.2), metadata=LATER)
    """Method `random-erasing`: least and largest share of the face that a rectangle covers."""
    altered: float = field(default=0.5, metadata=LATER)
    """Method `robust`: the share of training faces that are shown with something hidden."""

    def __post_init__(self) -> None:
        for option, value in METHOD_OPTIONS.get(self.name, {}).items():
            object.__setattr__(self, option, value)
        _in_range("clusters", self.clusters, 1, 64)
        _in_range("attention_threshold", self.attention_threshold, 0.0, 1.0)
        _in_range("attention_faces", self.attention_faces, 1, None)
        _in_range("distance_weight", self.distance_weight, 0.0, None)
        _in_range("intensity_weight", self.intensity_weight, 0.0, None)
        _in_range("consistency", self.consistency, 0.0, None)
        _in_range("altered", self.altered, 0.0, 1.0)
        _in_range("share", self.share, 0.0, 1.0)
        low, high = self.erased
        _in_range("the least share erased", low, 0.0, high)
        _in_range("the largest share erased", high, low, 1.0)
        if self.consistency and self.views == "sample":
            raise FerturbError(
                "consistency compares a face's views, and views='sample' has one a face; "
                "use views='pair' or 'all'"
            )
        if self.leaves == "most-attended" and self.views == "all":
            raise FerturbError(
                "leaves='most-attended' is about drawn views, and views='all' draws none; "
                "use views='sample' or 'pair'"
            )


METHOD_OPTIONS: dict[str, dict[str, Any]] = {
    "train-views-only": {"train_views": True, "test_views": False},
    "test-views-only": {"train_views": False, "test_views": True},
    "uniform-clusters": {"intensity_weight": 0.0},
    "random-erasing": {"test_views": False},
    "perturb-face": {"scope": "face"},
    "perturb-blur": {"scope": "face", "fill": "blur"},
    "drop-attended": {
        "views": "sample",
        "leaves": "most-attended",
        "schedule": "rising",
        "test_views": False,
    },
    "anneal": {"views": "sample", "schedule": "falling", "test_views": False},
    "perturb-seldom": {"views": "sample", "share": 1 / 3, "fill": "noise", "test_views": False},
    "view-consistency": {"views": "pair", "consistency": 1.0, "test_views": False},
}
"""What the name of a method settles."""

METHOD_PRESETS: dict[str, MethodConfig] = {
    method.name: method
    for method in (
        MethodConfig("baseline"),
        MethodConfig("attention"),
        MethodConfig("perturb", views="sample"),
        MethodConfig("random-regions", views="sample"),
        MethodConfig("uniform-clusters", views="sample"),
        MethodConfig("landmark-regions", views="sample"),
        MethodConfig("random-erasing", views="sample", fill="noise"),
        MethodConfig("extra-epochs", views="all"),
        MethodConfig("train-views-only", views="sample"),
        MethodConfig("test-views-only", views="sample"),
        MethodConfig("perturb-face", views="sample"),
        MethodConfig("perturb-blur", views="sample"),
        MethodConfig("drop-attended"),
        MethodConfig("anneal"),
        MethodConfig("perturb-seldom"),
        MethodConfig("view-consistency"),
        MethodConfig("robust"),
    )
}
"""Every method at the cost of the baseline (one view a face and step), but for
`view-consistency` (two) and `extra-epochs` (as many epochs as all K+1 views would have cost)."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of a training face, drawn per face and step. Zero is off."""

    flip: float = 0.5
    """Probability of a left-right flip."""
    rotate: float = 0.0
    """Largest rotation, degrees."""
    scale: float = 0.0
    """Largest relative zoom, e.g. 0.1 for 0.9 … 1.1."""
    shift: float = 0.0
    """Largest shift, as a share of the width."""
    shear: float = 0.0
    """Largest shear, as a share of the width."""
    brightness: float = 0.0
    """Largest change added to the pixels, as a share of white."""
    contrast: float = 0.0
    """Largest relative change of contrast about the face's mean."""
    erase: float = 0.0
    """Probability of erasing one random rectangle (Zhong et al.)."""
    crop: int | None = None
    """Side in pixels of a random crop; None keeps the whole face."""
    mixup: float = field(default=0.0, metadata=LATER)
    """α of mixup (two faces averaged, Zhang et al.); 0 is off."""
    cutmix: float = field(default=0.0, metadata=LATER)
    """α of CutMix (a rectangle of another face, Yun et al.); 0 is off."""
    mixed: float = field(default=1.0, metadata=LATER)
    """Share of the batches that are mixed, if either is on."""

    def __post_init__(self) -> None:
        _in_range("mixup", self.mixup, 0.0, None)
        _in_range("cutmix", self.cutmix, 0.0, None)
        _in_range("mixed", self.mixed, 0.0, 1.0)


@dataclass(frozen=True)
class RecipeConfig:
    """The training hyperparameters."""

    name: str = "fast"
    epochs: int = 12
    batch_size: int = 128
    """The global batch."""
    learning_rate: float = 0.1
    """Initial rate (plateau) or peak rate (one-cycle)."""
    momentum: float = 0.9
    weight_decay: float = 1e-3
    schedule: Literal["one-cycle", "plateau", "constant"] = "one-cycle"
    warmup: float = 0.25
    """Share of the steps over which a one-cycle rate climbs."""
    plateau_factor: float = 0.75
    plateau_patience: int = 5
    label_smoothing: float = 0.1
    average: float = 0.0
    """Decay per step of the exponential moving average of the weights; 0 is off."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """`auto` is bfloat16 where the processor computes in it, float32 elsewhere."""
    sizes: tuple[tuple[float, int], ...] = ()
    """Progressive resizing: (share of the epochs up to which, side in pixels), in order."""
    augment: AugmentConfig = AugmentConfig()
    evaluate: tuple[str, ...] = ("none", "flip")
    """Test-time augmentations whose logits are stored at the end."""
    keep: Literal["best", "last"] = field(default="best", metadata=LATER)
    """The epoch whose weights are kept: the best on the validation split, or the last, so that
    nothing is chosen."""
    validate_every: int = field(default=1, metadata=LATER)
    """Epochs from one look at the validation split to the next, if none is chosen; the last epoch
    is always looked at. What was not looked at is NaN in the history."""
    distillation: float = field(default=0.0, metadata=LATER)
    """Weight of the teachers' loss against the labels', 0 … 1; 0 is off."""
    distillation_temperature: float = field(default=2.0, metadata=LATER)
    """What teachers' and student's logits are divided by."""
    distillation_views: int = field(default=0, metadata=LATER)
    """How many augmentations of each face the training repeats, so that the teachers are asked
    about each but once; 0 draws a new one every epoch and asks every time."""

    def __post_init__(self) -> None:
        _in_range("epochs", self.epochs, 1, None)
        _in_range("batch_size", self.batch_size, 2, None)
        _in_range("label_smoothing", self.label_smoothing, 0.0, 1.0)
        for until, side in self.sizes:
            _in_range("the share of epochs on smaller faces", until, 0.0, 1.0)
            _in_range("the side of smaller faces", side, 16, None)
        _in_range("validate_every", self.validate_every, 1, None)
        if self.validate_every > 1 and (self.keep == "best" or self.schedule == "plateau"):
            raise FerturbError(
                "validate_every above 1 skips looks that keep='best' and schedule='plateau' need; "
                "use keep='last' with another schedule"
            )
        _in_range("distillation", self.distillation, 0.0, 1.0)
        _in_range("distillation_temperature", self.distillation_temperature, 0.01, None)
        _in_range("distillation_views", self.distillation_views, 0, None)


PAPER = RecipeConfig(
    name="paper",
    epochs=200,
    batch_size=64,
    learning_rate=0.01,
    weight_decay=1e-4,
    schedule="plateau",
    label_smoothing=0.0,
    augment=AugmentConfig(flip=0.5, erase=0.5, crop=40),
    evaluate=("none", "flip", "ten-crop"),
)
"""The paper's recipe (section 4.2), with the released program's weight decay and crop."""

FAST = RecipeConfig(
    name="fast",
    average=0.998,
    sizes=((0.67, 32),),
    augment=AugmentConfig(
        flip=0.5,
        rotate=12.0,
        scale=0.1,
        shift=0.06,
        shear=0.05,
        brightness=0.1,
        contrast=0.2,
        erase=0.3,
    ),
)
"""The recipe with the best validation accuracy per CPU minute that was found."""

FULL_SIZE = replace(FAST, name="full-size", sizes=())
"""`fast` without its epochs on smaller faces."""

MIXED = replace(
    FULL_SIZE,
    name="mixed",
    augment=replace(FULL_SIZE.augment, mixup=0.2, cutmix=1.0, mixed=0.5),
)
"""`full-size` with two faces in half of its inputs: for training that is long enough to overfit."""

BARE = RecipeConfig(
    name="bare",
    epochs=80,
    weight_decay=5e-4,
    label_smoothing=0.0,
    keep="last",
    validate_every=10,
)
"""Nothing but flips against overfitting, and no epoch chosen: what a method adds can be seen."""

RECIPES: dict[str, RecipeConfig] = {r.name: r for r in (FAST, FULL_SIZE, MIXED, BARE, PAPER)}


@dataclass(frozen=True)
class RunConfig:
    """One training: (dataset, model, method, recipe, seed)."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    model: ModelConfig = ModelConfig()
    method: MethodConfig = MethodConfig()
    recipe: RecipeConfig = field(default_factory=lambda: FAST)
    seed: int = 0
    attention_run: str | None = None
    """Folder of the attention run (phase 1) that a `perturb` run takes its clusters from,
    relative to the run's own parent folder."""
    teachers: tuple[str, ...] = field(default=(), metadata=LATER)
    """Folders of finished runs whose ensemble teaches this one (`recipe.distillation`), relative
    to the run's own parent folder."""
    start: str | None = field(default=None, metadata=LATER)
    """Folder of a finished run of the same network, relative to the run's own parent folder, whose
    weights this one starts from; None starts from random ones."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The folders of the runs that this one builds on, relative to its own parent folder."""
        named = (self.start, self.attention_run, *self.teachers)
        return tuple(name for name in named if name is not None)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, ready for JSON."""
        data: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return data

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RunConfig:
        """The inverse of `to_dict`; unknown keys are an error, missing ones take the default."""
        return _build(RunConfig, data)

    def fingerprint(self) -> str:
        """Twelve hex digits that are the same exactly when the configs are the same."""
        text = json.dumps(_as_known(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _as_known(config: Any) -> dict[str, Any]:
    """`to_dict`, without the later fields that are at their default."""
    known: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            known[f.name] = _as_known(value)
        elif not (f.metadata.get("later") and value == f.default):
            known[f.name] = value
    return known
