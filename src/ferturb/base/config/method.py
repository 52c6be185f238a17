"""How a network is trained, and the presets of every method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ferturb.base.config.fields import in_range, require_types
from ferturb.base.errors import FerturbError


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
    train_views: bool = True
    """Train on views; False trains on whole faces."""
    intensity: Literal["attention", "pixels"] = "attention"
    """I of Equation 1: the attention map, or the face's pixels (no threshold, no phase 1)."""
    attention_from: Literal["stages", "input"] = "stages"
    """The attention map: the gate between the last two stages (where the attention run has gates
    behind every stage, their mean), or one gate on the input alone."""
    gate_statistics: Literal["running", "batch"] = "running"
    """What the gates' batch norm goes by when attention is found: the attention run's running
    statistics, or those of the faces it is found of (the released program)."""
    scope: Literal["epoch", "face", "fixed", "batch"] = "epoch"
    """One cluster map an epoch (the paper), one for each face, one for the whole training, or one
    an epoch from the inputs of its first step, and at test time one for each batch of faces (the
    released program)."""
    kmeans_starts: int = 48
    """Starts of K-means, of which the best is kept; the released program has one."""
    view_kind: Literal["leave-one-out", "keep-one"] = "leave-one-out"
    """What a view shows: all but one cluster (the paper's figure 4), or one cluster only."""
    fill: Literal["black", "mean", "blur", "noise"] = "black"
    """What stands where a view leaves pixels out."""
    left_out_cluster: Literal["any", "most-attended"] = "any"
    """Which cluster a drawn view is about: any, or the one with the highest mean intensity."""
    schedule: Literal["constant", "rising", "falling"] = "constant"
    """How the share of faces that lose something goes over the training: as drawn; rising from
    none at the start to all that are drawn; or falling to none, the last quarter on whole faces.
    """
    view_probability: float = 1.0
    """The share of drawn views that are used, 0 … 1; in place of the others the whole face is
    shown."""
    consistency: float = 0.0
    """Weight of the loss between a face's views (KL divergence from the whole face's
    prediction); 0 is off. Needs `views` "all" or "pair"."""
    erased: tuple[float, float] = (0.02, 0.2)
    """Method `random-erasing`: least and largest share of the face that a rectangle covers."""
    hidden_probability: float = 0.5
    """Methods `robust`, `half-masked`, `two-stage`, `features-left-out`, `eac`: the share of
    training faces that are shown with something hidden."""
    mirror: Literal["attention", "label"] = "attention"
    """Method `eac`: what a face's mirror image is for. Its attention is to be the face's, mirrored;
    or it is learnt by its label (a control)."""
    mirror_weight: float = 5.0
    """Method `eac`: weight λ of the loss between attention to a face and to its mirror image."""
    at_random: bool = False
    """Controls: method `adl` drops as many places anywhere, not the most attended; method
    `landmark-regions` divides each training face by the landmarks of another one."""

    def __post_init__(self) -> None:
        for option, value in METHOD_OPTIONS.get(self.name, {}).items():
            object.__setattr__(self, option, value)
        require_types(self)
        in_range("clusters", self.clusters, 1, 64)
        in_range("attention_threshold", self.attention_threshold, 0.0, 1.0)
        in_range("attention_faces", self.attention_faces, 1, None)
        in_range("kmeans_starts", self.kmeans_starts, 1, None)
        in_range("distance_weight", self.distance_weight, 0.0, None)
        in_range("intensity_weight", self.intensity_weight, 0.0, None)
        in_range("consistency", self.consistency, 0.0, None)
        in_range("hidden_probability", self.hidden_probability, 0.0, 1.0)
        in_range("mirror_weight", self.mirror_weight, 0.0, None)
        in_range("view_probability", self.view_probability, 0.0, 1.0)
        low, high = self.erased
        in_range("the least share erased", low, 0.0, high)
        in_range("the largest share erased", high, low, 1.0)
        if self.consistency and self.views == "sample":
            raise FerturbError(
                "consistency compares a face's views, and views='sample' has one a face; "
                "use views='pair' or 'all'"
            )
        if self.left_out_cluster == "most-attended" and self.views == "all":
            raise FerturbError(
                "left_out_cluster='most-attended' is about drawn views; views='all' draws none; "
                "use views='sample' or 'pair'"
            )

    @property
    def views_per_face(self) -> int:
        """Network inputs a face and step that `views` makes.

        >>> [MethodConfig(views=v).views_per_face for v in ("all", "sample", "pair")]
        [4, 1, 2]
        """
        return {"all": self.clusters + 1, "pair": 2, "sample": 1}[self.views]

    @property
    def uses_attention(self) -> bool:
        """Whether the intensity of Equation 1 is attention and counts."""
        return self.intensity == "attention" and self.intensity_weight > 0


METHOD_OPTIONS: dict[str, dict[str, Any]] = {
    "train-views-only": {"train_views": True, "test_views": False},
    "test-views-only": {"train_views": False, "test_views": True},
    "uniform-clusters": {"intensity_weight": 0.0},
    "random-erasing": {"test_views": False},
    "hide-and-seek": {"test_views": False},
    "grid-mask": {"test_views": False},
    "eac": {"views": "pair", "fill": "mean", "erased": (0.02, 0.25), "test_views": False},
    "adl": {"test_views": False},
    "mad": {"test_views": False},
    "batch-attention": {"test_views": False},
    "perturb-face": {"scope": "face"},
    "perturb-blur": {"scope": "face", "fill": "blur"},
    "drop-attended": {
        "views": "sample",
        "left_out_cluster": "most-attended",
        "schedule": "rising",
        "test_views": False,
    },
    "anneal": {"views": "sample", "schedule": "falling", "test_views": False},
    "perturb-seldom": {
        "views": "sample",
        "view_probability": 1 / 3,
        "fill": "noise",
        "test_views": False,
    },
    "view-consistency": {"views": "pair", "consistency": 1.0, "test_views": False},
}
"""What the name of a method settles."""

AS_RELEASED = MethodConfig(
    "perturb",
    attention_from="input",
    attention_threshold=0.0,
    gate_statistics="batch",
    scope="batch",
    kmeans_starts=1,
)
"""The Perturb Scheme as in the program that was released with the paper; recipe `released`."""

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
        MethodConfig("hide-and-seek", fill="mean"),
        MethodConfig("grid-mask", fill="mean"),
        MethodConfig("eac"),
        MethodConfig("adl"),
        MethodConfig("mad"),
        MethodConfig("batch-attention"),
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
        MethodConfig("half-masked"),
        MethodConfig("two-stage"),
        MethodConfig("features-left-out", hidden_probability=0.7),
    )
}
"""Every method at the cost of the baseline (one view a face and step), but for
`view-consistency` and `eac` (two) and `extra-epochs` (as many epochs as all K+1 views would have
cost)."""
