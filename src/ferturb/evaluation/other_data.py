"""A finished run on faces it was not trained for: another dataset, or its own with face masks on.

"Masked training" and "masked testing" are different questions, so a run trained on either is
tested on both. What is stored per face is what a run stores of its own splits: labels and logits
of validation and test, by test-time augmentation, under a name of the run's analyses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from ferturb.base.arrays import Floats, Integers
from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.models.test_time import predict_logits
from ferturb.runs.contents import check_logits
from ferturb.runs.provenance import describe_data
from ferturb.runs.run import Run

TESTED = ("validation", "test")
Arrays = dict[str, NDArray[np.generic]]
"""``labels_SPLIT`` (n,) and ``SPLIT_AUGMENTATION`` (n, 7), as a run keeps them of its own faces."""
Pair = tuple[Int[Integers, " _"], Float[Floats, "_ 7"]]
"""Labels and logits of a split."""
Progress = Callable[[int, int], None]
_PREFIX = "on-"


def altered_name(config: DatasetConfig) -> str:
    """Under which name a study keeps how its runs do on these faces.

    >>> altered_name(DatasetConfig()), altered_name(DatasetConfig(face_masks="mixed"))
    ('on-whole', 'on-maskfer')
    >>> altered_name(DatasetConfig(face_masks="n95", left_out="eyes"))
    'on-n95-without-eyes'
    """
    words = []
    if config.face_masks is not None:
        words.append("maskfer" if config.face_masks == "mixed" else config.face_masks)
    if config.left_out is not None:
        feature = config.left_out.replace("_", "-")
        words.append(f"{'random' if config.left_out_control else 'without'}-{feature}")
    return _PREFIX + ("-".join(words) or "whole")


def data_name(faces: Faces) -> str:
    """Under which name results on any faces are kept: "on-" and twelve digits of their hash."""
    return _PREFIX + faces.content_hash()[:12]


def measure_on(
    run: Run,
    faces: Faces,
    name: str,
    augmentations: Sequence[str] | None = None,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
    store: bool = True,
    head: str | None = None,
) -> Arrays:
    """The logits of a finished run on the validation and test splits of other faces.

    They are kept with the run under a name, unless `store` is False. `augmentations` None takes
    those that the run stored of its own faces, `head` None the network's first. Nothing is computed
    again that is stored of the same faces. Raises `FerturbError` for a run that is not finished,
    and for faces without a test split.
    """
    run.require_done()
    splits = {split: faces.split(split) for split in TESTED}
    if not len(splits["test"]):
        raise FerturbError(f"{faces.source} has no test faces; give a source with a test split")
    wanted, of_head = tuple(augmentations or run.augmentations()), run.config.model.prefix(head)
    data = describe_data(faces)
    arrays = _of_the_same_faces(run, name, data["hash"])
    missing = [(s, a) for s in TESTED for a in wanted if f"{of_head}{s}_{a}" not in arrays]
    if not missing:
        return arrays
    model = run.load_model(*([head] if head else [])).to(device or torch.device("cpu"))
    for split, part in splits.items():
        arrays[f"labels_{split}"] = part.labels.numpy()
    for done, (split, augmentation) in enumerate(missing):
        on_progress(done, len(missing))
        images = splits[split].images
        logits = predict_logits(model, images, augmentation, device=device)
        arrays[f"{of_head}{split}_{augmentation}"] = logits.numpy()
    if store:
        run.store_analysis(name, arrays, {"data": data})
    on_progress(len(missing), len(missing))
    return arrays


def measure_own(
    run: Run,
    faces: Faces,
    augmentation: str,
    device: torch.device | None = None,
    on_progress: Progress = lambda done, total: None,
    store: bool = True,
    head: str | None = None,
) -> Arrays:
    """The logits with a test-time augmentation that a finished run didn't store of its own faces.

    Raises `FerturbError` for faces that are not the run's own, and as `measure_on` does.
    """
    own, given = _trained_on(run.require_done()), faces.content_hash()
    if own != given:
        raise FerturbError(
            f"{run.folder} was trained on other faces ({own[:12]}) than {faces.source} has "
            f"now ({given[:12]}); give --data to test it on those"
        )
    name = altered_name(run.config.dataset)
    return measure_on(run, faces, name, (augmentation,), device, on_progress, store, head)


def logits_on(
    run: Run, name: str | None, split: str, augmentation: str, head: str | None = None
) -> Pair:
    """(labels, logits) of a run on the faces measured under `name`; None is the run's own faces.

    `head` None is the network's first. KeyError when that combination is not stored.
    """
    if name is None and augmentation in run.augmentations():
        return run.logits(split, augmentation, head)
    if name is None:
        name = altered_name(run.config.dataset)
        arrays = _of_the_same_faces(run, name, _trained_on(run))
    else:
        found = run.analysis(name)
        arrays = {} if found is None else dict(found[0])
    if not arrays:
        raise KeyError(f"{run.name} keeps nothing under {name}")
    return pair_of(arrays, split, augmentation, run.config.model.prefix(head))


def pair_of(
    arrays: Mapping[str, NDArray[np.generic]], split: str, augmentation: str, prefix: str = ""
) -> Pair:
    """Labels and logits of a split; KeyError when that combination was not measured.

    `prefix`: of a head (`ModelConfig.prefix`).
    """
    return (
        arrays[f"labels_{split}"].astype(np.int64),
        arrays[f"{prefix}{split}_{augmentation}"].astype(np.float32),
    )


def _trained_on(run: Run) -> str:
    """The hash of the faces that a run was trained on, "" where it isn't known."""
    return str(run.record().get("data", {}).get("hash", ""))


def _of_the_same_faces(run: Run, name: str, content: str) -> Arrays:
    """What is stored under a name, if it is of these faces; what can't be read is measured anew."""
    try:
        found = run.analysis(name)
        if found is None or found[1].get("data", {}).get("hash") != content:
            return {}
        check_logits(found[0], run.analysis_path(name))
    except FerturbError:
        return {}
    return dict(found[0])
