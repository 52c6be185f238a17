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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int8, Int32, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from ferturb.base.config import choose
from ferturb.base.errors import FerturbError
from ferturb.base.seeds import generator_of, seed_of
from ferturb.data.faces import SPLITS, Faces
from ferturb.features.altered import landmarks_of
from ferturb.features.landmarks import Landmarks
from ferturb.features.random_regions import control_regions
from ferturb.features.regions import FEATURES, regions
from ferturb.features.removal import FILLS, remove
from ferturb.models.test_time import AUGMENTATIONS, predict_logits
from ferturb.runs.provenance import describe_data, describe_software
from ferturb.runs.run import Run

Array = np.ndarray
Progress = Callable[[int, int], None]

FEATURES_LEFT_OUT: tuple[str, ...] = tuple(name for name in FEATURES if name != "face")
"""The facial features of an ablation unless others are asked for: all but the face itself."""

CONTROLS = 4
"""Random regions per face and feature."""

ANALYSIS = "ablation"
FORMAT = "ferturb-ablation-1"
_CHUNK = 256
_ARRAYS = ("probability", "predicted")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What a model said of n faces, each shown in the same variants (or in one: no first axes).

    - ``probability``: softmax of the logits at the true emotion, 0 … 1; nan where not measured.
    - ``predicted``: the emotion it names, 0 … 6; −1 where not measured.
    """

    probability: Float32[Array, "*v n"]
    predicted: Int8[Array, "*v n"]


@dataclass(frozen=True, eq=False)
class Ablation:
    """What a model said of every face: whole, without each feature, and without its controls."""

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

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything but the record, for `Run.store_analysis`."""
        found: dict[str, NDArray[np.generic]] = {"labels": self.labels, "area": self.area}
        for name in ("whole", "without", "controls"):
            for part in _ARRAYS:
                found[f"{name}_{part}"] = getattr(getattr(self, name), part)
        return found


def ablate(
    model: nn.Module,
    images: UInt8[Tensor, "n h w"],
    labels: Int64[Tensor, " n"],
    landmarks: Landmarks,
    *,
    features: Sequence[str] = FEATURES_LEFT_OUT,
    fill: str = "mean",
    controls: int = CONTROLS,
    seed: int = 0,
    augmentation: str = "none",
    precision: str = "float32",
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Ablation:
    """Ask a model about every face whole, without each feature, and without random regions.

    `on_progress` is called with (faces judged, faces to judge), every variant of a face counting
    as one. Random regions and noise follow from the seed, the feature's name and the place of the
    face, whatever other features are asked for. Raises `FerturbError` for unknown names, no
    faces, or landmarks of other faces.
    """
    features = _checked(features, fill, controls, augmentation)
    n, (h, w) = len(images), images.shape[1:]
    if not n or len(landmarks) != n or len(labels) != n:
        raise FerturbError(
            f"an ablation needs faces, with a label and landmarks each; got {n} faces, "
            f"{len(labels)} labels and {len(landmarks)} landmarks"
        )
    truth, variants = labels.numpy(), 1 + controls
    probability = np.zeros((len(features), variants, n), np.float32)
    predicted = np.zeros((len(features), variants, n), np.int8)
    area = np.zeros((len(features), n), np.int32)
    total = n * (1 + len(features) * variants)

    def ask(faces: UInt8[Tensor, "m h w"], start: int, stop: int) -> Outcomes:
        logits = predict_logits(model, faces, augmentation, precision=precision, device=device)
        return outcomes(np.resize(truth[start:stop], len(faces)), logits.numpy())

    whole = ask(images, 0, n)
    on_progress(n, total)
    for start in range(0, n, _CHUNK):
        some = slice(start, min(start + _CHUNK, n))
        found = regions(landmarks.points[some], (h, w), dict.fromkeys((*features, "face")))
        for i, name in enumerate(features):
            key = (seed, name, start)
            left_out = _variants(found[name], found["face"], key, controls)
            shown = [
                _leave_out(images[some], region, fill, generator_of(*key, j, "fill"))
                for j, region in enumerate(left_out)
            ]
            said = ask(torch.cat(shown), some.start, some.stop)
            probability[i, :, some] = said.probability.reshape(variants, -1)
            predicted[i, :, some] = said.predicted.reshape(variants, -1)
            area[i, some] = found[name].flatten(1).sum(1).numpy()
            judged = start * len(features) + (some.stop - start) * (i + 1)
            on_progress(n + judged * variants, total)
    return Ablation(
        features,
        truth,
        whole,
        Outcomes(probability[:, 0], predicted[:, 0]),
        Outcomes(probability[:, 1:], predicted[:, 1:]),
        area,
    )


def ablate_run(
    run: Run,
    faces: Faces,
    *,
    split: str = "test",
    fill: str = "mean",
    features: Sequence[str] | None = None,
    controls: int = CONTROLS,
    seed: int = 0,
    augmentation: str = "none",
    landmarks: Landmarks | None = None,
    precision: str = "float32",
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Ablation:
    """`ablate` a finished run on a split of some faces, and keep the result with the run.

    `landmarks` are those of all the faces given; None finds those of the split. It is stored
    under `analysis_name`; the same again replaces it. Raises `FerturbError` for a run that is not
    finished, a split without faces, unknown names.
    """
    if not run.done:
        raise FerturbError(f"{run.folder} is not finished; go on with `ferturb train --resume`")
    names = _checked(features or FEATURES_LEFT_OUT, fill, controls, augmentation)
    chosen = faces.split(split)
    if not len(chosen):
        raise FerturbError(f"{faces.source} has no {split} faces; choose another split or source")
    started = time.monotonic()
    found = landmarks_of(chosen) if landmarks is None else _of_split(landmarks, faces, split)
    measured = ablate(
        run.load_model().to(device or torch.device("cpu")),
        chosen.images,
        chosen.labels,
        found,
        features=names,
        fill=fill,
        controls=controls,
        seed=seed,
        augmentation=augmentation,
        precision=precision,
        device=device,
        on_progress=on_progress,
    )
    record = {
        "format": FORMAT,
        "data": describe_data(faces),
        "split": split,
        "features": list(names),
        "fill": fill,
        "controls": controls,
        "seed": seed,
        "augmentation": augmentation,
        "precision": precision,
        "mean_shape": sum(source == "mean shape" for source in found.source),
        "software": describe_software(),
        "seconds": round(time.monotonic() - started, 1),
    }
    name = analysis_name(run, faces, split, fill, names, augmentation)
    run.store_analysis(name, measured.arrays(), record)
    return replace(measured, record=record)


def analysis_name(
    run: Run,
    faces: Faces,
    split: str = "test",
    fill: str = "mean",
    features: Sequence[str] | None = None,
    augmentation: str = "none",
) -> str:
    """Under which name an ablation is kept: "ablation", and what differs from the usual.

    The usual is the run's own faces, its test split, every feature, the fill ``mean`` and no
    test-time augmentation.
    """
    words = [ANALYSIS]
    words += [split] if split != "test" else []
    words += [fill] if fill != "mean" else []
    words += [augmentation] if augmentation != "none" else []
    if features is not None and set(features) != set(FEATURES_LEFT_OUT):
        words += ["without", *(name.replace("_", "-") for name in features)]
    content = faces.content_hash()
    if content != run.record().get("data", {}).get("hash"):
        words += ["on", content[:12]]
    return "-".join(words)


def load_ablation(run: Run, name: str = ANALYSIS) -> Ablation | None:
    """The ablation kept under a name; None without one (or from another version of ferturb)."""
    found = run.analysis(name)
    if found is None or found[1].get("format") != FORMAT:
        return None
    arrays, record = found

    def stored(kind: str) -> Outcomes:
        probability, predicted = (arrays[f"{kind}_{part}"] for part in _ARRAYS)
        return Outcomes(probability.astype(np.float32), predicted.astype(np.int8))

    return Ablation(
        tuple(record["features"]),
        arrays["labels"].astype(np.int64),
        stored("whole"),
        stored("without"),
        stored("controls"),
        arrays["area"].astype(np.int32),
        record,
    )


def ablations(run: Run) -> dict[str, Ablation]:
    """Every ablation that is kept with a run, by name."""
    names = [n for n in run.analyses() if n == ANALYSIS or n.startswith(f"{ANALYSIS}-")]
    loaded = {name: load_ablation(run, name) for name in names}
    return {name: one for name, one in loaded.items() if one is not None}


def outcomes(labels: Int64[Array, " n"], logits: Float32[Array, "n 7"]) -> Outcomes:
    """What logits say of faces whose emotions are known."""
    z = logits.astype(np.float64)
    shares = np.exp(z - z.max(1, keepdims=True))
    true = shares[np.arange(len(labels)), labels] / shares.sum(1)
    return Outcomes(true.astype(np.float32), z.argmax(1).astype(np.int8))


def _variants(
    region: Bool[Tensor, "b h w"],
    face: Bool[Tensor, "b h w"],
    key: tuple[int | str, ...],
    controls: int,
) -> Iterator[Bool[Tensor, "b h w"]]:
    """What is left out: the feature, then its controls."""
    yield region
    for j in range(controls):
        yield control_regions(region, face, seed_of(*key, j, "control"))


def _leave_out(
    images: UInt8[Tensor, "b h w"],
    left_out: Bool[Tensor, "b h w"],
    fill: str,
    generator: torch.Generator,
) -> UInt8[Tensor, "b h w"]:
    faces = remove(images.unsqueeze(1).float().div(255), ~left_out, fill, generator)
    return (faces[:, 0] * 255).round().to(torch.uint8)


def _of_split(landmarks: Landmarks, faces: Faces, split: str) -> Landmarks:
    if len(landmarks) != len(faces):
        raise FerturbError(
            f"give the landmarks of all {len(faces)} faces, of every split, in their order; "
            f"got {len(landmarks)}"
        )
    return landmarks.select(torch.nonzero(faces.splits == SPLITS.index(split)).flatten())


def _checked(
    features: Sequence[str], fill: str, controls: int, augmentation: str
) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(features))
    for name in names:
        choose("facial feature", name, FEATURES)
    choose("fill", fill, FILLS)
    choose("test-time augmentation", augmentation, AUGMENTATIONS)
    if not names or controls < 0:
        raise FerturbError(
            f"an ablation needs at least one facial feature and 0 or more controls, got "
            f"{len(names)} and {controls}"
        )
    return names
