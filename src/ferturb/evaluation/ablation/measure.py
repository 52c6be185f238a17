"""What happens to each face when a facial feature is left out of it at test time.

For every face of a split and every facial feature the model is asked three times: about the whole
face, about the face without the feature, and about the face without a random region of the same
area (`control_regions`; several draws). What it gives the true emotion, and which emotion it names,
is kept for every face, so that differences, intervals and tests can be computed again at any time
(`ferturb.evaluation.ablation.matrix`).

Faces without a feature are made as `ferturb leave-out` makes them, in whole grey levels. Everything
is streamed: a few hundred faces and one feature at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Int8, Int32, Int64, UInt8
from scipy import special
from torch import Tensor, nn

from ferturb.base.config import AblationOptions, choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.pixels import at_once
from ferturb.base.seeds import generator_of, seed_of
from ferturb.base.tabular import Tabular
from ferturb.data.faces import Faces
from ferturb.evaluation.chosen_faces import landmarks_at, name_of
from ferturb.features.altered import landmarks_of
from ferturb.features.landmarks import Landmarks
from ferturb.features.random_regions import control_regions
from ferturb.features.regions import FEATURES, regions
from ferturb.features.removal import FILLS, without
from ferturb.models.test_time import AUGMENTATIONS, predict_logits
from ferturb.runs.analyses import Stored
from ferturb.runs.provenance import describe_analysis
from ferturb.runs.run import Run

Array = np.ndarray
Progress = Callable[[int, int], None]

FEATURES_LEFT_OUT: tuple[str, ...] = tuple(name for name in FEATURES if name != "face")
"""The facial features of an ablation unless others are asked for: all but the face itself."""

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Predictions for n faces, each shown in the same variants (or in one: no first axes).

    - ``probability``: softmax of the logits at the true emotion, 0 … 1; nan where not measured.
    - ``predicted``: the emotion it names, 0 … 6; −1 where not measured.
    """

    probability: Float32[Array, "*v n"]
    predicted: Int8[Array, "*v n"]


@dataclass(frozen=True, eq=False)
class Ablation(Stored, Tabular):
    """Predictions for every face: whole, without each feature, and without its controls."""

    KIND: ClassVar[str] = "ablation"
    FORMAT: ClassVar[str] = "ferturb-ablation-1"
    features: tuple[str, ...]
    labels: Int64[Array, " n"]
    whole: Outcomes
    """(n,)."""
    without: Outcomes
    """(features, n)."""
    controls: Outcomes
    """(features, draws, n)."""
    area: Int32[Array, "f n"]
    """Pixels of each feature in each face."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """How it was measured: data, split, fill, seed, augmentation, …"""

    def records(self) -> Iterator[Mapping[str, Any]]:
        """A row a feature and face: the probability of its emotion, and the emotion named, whole
        and without the feature; with random regions the mean over the draws. nan where not
        measured."""
        draws = self.controls.probability.shape[1]
        nothing = np.full(self.area.shape, np.nan)
        control = self.controls.probability.mean(1) if draws else nothing
        for i, feature in enumerate(self.features):
            for j, label in enumerate(self.labels.tolist()):
                yield {
                    **{"feature": feature, "face": j, "emotion": EMOTIONS[label]},
                    "pixels": int(self.area[i, j]),
                    **_of_face("whole", self.whole, j),
                    **_of_face("without", self.without, (i, j)),
                    "control_probability": float(control[i, j]),
                }


def _of_face(name: str, found: Outcomes, place: Any) -> dict[str, Any]:
    named = int(found.predicted[place])
    return {
        f"{name}_probability": float(found.probability[place]),
        f"{name}_named": None if named < 0 else EMOTIONS[named],
    }


def ablate(
    model: nn.Module,
    images: UInt8[Tensor, "n *c h w"],
    labels: Int64[Tensor, " n"],
    landmarks: Landmarks,
    options: AblationOptions = AblationOptions(),
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Ablation:
    """Ask a model about every face whole, without each feature, and without random regions.

    All the faces are asked about, whatever the options' split. `on_progress` is called with (faces
    asked about, faces to ask about), every variant of a face counting as one. Random regions and
    noise follow from the seed, the feature's name and the place of the face, whatever other
    features are asked for. Raises `FerturbError` for unknown names, no faces, or landmarks of
    other faces.
    """
    features, variants = _checked(options), 1 + options.controls
    n = len(images)
    if not n or len(landmarks) != n or len(labels) != n:
        raise FerturbError(
            f"an ablation needs faces, with a label and landmarks each; got {n} faces, "
            f"{len(labels)} labels and {len(landmarks)} landmarks"
        )
    truth = labels.numpy()
    probability = np.zeros((len(features), variants, n), np.float32)
    predicted = np.zeros((len(features), variants, n), np.int8)
    area = np.zeros((len(features), n), np.int32)
    total = n * (1 + len(features) * variants)

    def ask(faces: UInt8[Tensor, "m *c h w"], some: slice) -> Outcomes:
        logits = predict_logits(
            model, faces, options.augmentation, precision=options.precision, device=device
        )
        return outcomes(np.resize(truth[some], len(faces)), logits.numpy())

    whole = ask(images, slice(None))
    on_progress(n, total)
    step = at_once(_CHUNK, images)
    for start in range(0, n, step):
        some = slice(start, min(start + step, n))
        chunk = _variants(images[some], landmarks.points[some], features, start, options)
        for i, (shown, pixels) in enumerate(chunk):
            answer = ask(shown, some)
            probability[i, :, some] = answer.probability.reshape(variants, -1)
            predicted[i, :, some] = answer.predicted.reshape(variants, -1)
            area[i, some] = pixels
            asked = start * len(features) + (some.stop - start) * (i + 1)
            on_progress(n + asked * variants, total)
    without = Outcomes(probability[:, 0], predicted[:, 0])
    controls = Outcomes(probability[:, 1:], predicted[:, 1:])
    return Ablation(features, truth, whole, without, controls, area)


def ablate_faces(
    model: nn.Module,
    faces: Faces,
    options: AblationOptions = AblationOptions(),
    landmarks: Landmarks | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Ablation:
    """`ablate` any model on a split of some faces, with a record of how it was measured.

    `landmarks` are those of all the faces given; None finds those of the split. Raises
    `FerturbError` for a split without faces, and for unknown names.
    """
    features, split = _checked(options), options.split
    chosen = faces.split(split)
    if not len(chosen):
        raise FerturbError(f"{faces.source} has no {split} faces; choose another split or source")
    started = time.monotonic()
    found = landmarks_at(landmarks, faces, split) or landmarks_of(chosen)
    model = model.to(device or torch.device("cpu"))
    measured = ablate(model, chosen.images, chosen.labels, found, options, device, on_progress)
    record = asdict(options) | {
        "features": list(features),
        "mean_shape": sum(source == "mean shape" for source in found.source),
    }
    return replace(measured, record=record | describe_analysis(faces, started))


def ablate_run(
    run: Run,
    faces: Faces,
    options: AblationOptions = AblationOptions(),
    landmarks: Landmarks | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Ablation:
    """`ablate_faces` by a finished run's model, kept with the run.

    It is stored under `analysis_name`; the same again replaces it. Raises `FerturbError` as
    `ablate_faces` does, and for a run that is not finished.
    """
    model = run.require_done().load_model()
    measured = ablate_faces(model, faces, options, landmarks, device, on_progress)
    measured.store(run, analysis_name(run, faces, options))
    return measured


def analysis_name(run: Run, faces: Faces, options: AblationOptions = AblationOptions()) -> str:
    """Under which name an ablation is kept: "ablation", and what differs from the usual.

    The usual is the run's own faces, its test split, every feature, the fill ``mean`` and no
    test-time augmentation.
    """
    words = [options.fill] if options.fill != "mean" else []
    words += [options.augmentation] if options.augmentation != "none" else []
    if options.features and set(options.features) != set(FEATURES_LEFT_OUT):
        words += ["without", *(name.replace("_", "-") for name in options.features)]
    return name_of(run, faces, Ablation.KIND, options.split, words)


def outcomes(labels: Int64[Array, " n"], logits: Float32[Array, "n 7"]) -> Outcomes:
    """What logits say of faces whose emotions are known."""
    shares = special.softmax(logits.astype(np.float64), axis=1)
    true = shares[np.arange(len(labels)), labels]
    return Outcomes(true.astype(np.float32), logits.argmax(1).astype(np.int8))


def _variants(
    images: UInt8[Tensor, "b *c h w"],
    points: Float32[Tensor, "b p 2"],
    features: tuple[str, ...],
    start: int,
    options: AblationOptions,
) -> Iterator[tuple[UInt8[Tensor, "vb *c h w"], Int64[Array, " b"]]]:
    """For each feature the faces without it, then without each control; and its pixels a face.

    `start` is the place of the first face, from which its random numbers follow.
    """
    size = (images.shape[-2], images.shape[-1])
    found = regions(points, size, dict.fromkeys((*features, "face")))
    for name in features:
        region, key = found[name], (options.seed, name, start)
        controls = (
            control_regions(region, found["face"], seed_of(*key, j, "control"))
            for j in range(options.controls)
        )
        shown = [
            without(images, one, options.fill, generator_of(*key, j, "fill"))
            for j, one in enumerate((region, *controls))
        ]
        yield torch.cat(shown), region.flatten(1).sum(1).numpy()


def _checked(options: AblationOptions) -> tuple[str, ...]:
    """The facial features that are left out, once each; `FerturbError` for unknown names."""
    names = tuple(dict.fromkeys(options.features or FEATURES_LEFT_OUT))
    for name in names:
        choose("facial feature", name, FEATURES)
    choose("fill", options.fill, FILLS)
    choose("test-time augmentation", options.augmentation, AUGMENTATIONS)
    return names
