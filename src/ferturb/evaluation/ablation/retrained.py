"""The ablation matrix by retraining: a network that never saw the facial feature.

Leaving a feature out at test time asks what one model needs; training anew without it asks what
there is to be learnt from the rest. A run that was trained and tested on faces without a feature
is compared with one trained and tested on whole faces, and with one trained and tested on faces
without a random region of the same area; the test faces are the same, in the same order.

Both questions have the same form, so the answer is an `Ablation` too, and
`ferturb.evaluation.ablation.matrix.matrix` makes the matrix of it. Its intervals cover the choice
of the faces, not the luck of the training, which differs between the runs that are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int64

from ferturb.base.config import DatasetConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.evaluation.ablation.measure import Ablation, Outcomes, outcomes
from ferturb.features.regions import FEATURES
from ferturb.runs.run import Run

Array = np.ndarray


@dataclass(frozen=True)
class Retrained:
    """Runs that differ by what is left out of their faces alone."""

    baseline: Run
    """On whole faces."""
    fill: str
    """What stands where something is left out."""
    without: Mapping[str, Run]
    """Facial feature -> the run on faces without it."""
    controls: Mapping[str, Run]
    """Facial feature -> the run on faces without a random region of its area; may lack some."""


def find_retrained(runs: Iterable[Run]) -> list[Retrained]:
    """The finished runs that can be compared: a baseline each, and its runs without something.

    Runs belong together when their configs agree in everything but what is left out of the faces
    and the names of the other runs they need. Runs that nothing can be compared with are left
    out.
    """
    done = [run for run in runs if run.done]
    baselines = {_key(run): run for run in done if run.config.dataset.left_out is None}
    found: dict[tuple[RunConfig, str], dict[tuple[str, bool], Run]] = {}
    for run in done:
        data = run.config.dataset
        if data.left_out is not None and _key(run) in baselines:
            group = found.setdefault((_key(run), data.left_out_fill), {})
            group.setdefault((data.left_out, data.left_out_control), run)
    groups = [
        Retrained(baselines[key], fill, _of(group, control=False), _of(group, control=True))
        for (key, fill), group in found.items()
    ]
    return [group for group in groups if group.without]


def retrained(group: Retrained, split: str = "test", augmentation: str = "none") -> Ablation:
    """What the runs of a group predicted for the same faces.

    Where there is no control run, nothing is measured (nan). Raises `FerturbError` when the runs
    were tested on other faces, or did not store these logits.
    """
    labels, logits = _logits(group.baseline, split, augmentation)
    n, features = len(labels), tuple(group.without)

    def predicted(runs: Mapping[str, Run]) -> Outcomes:
        found = Outcomes(
            np.full((len(features), n), np.nan, np.float32),
            np.full((len(features), n), -1, np.int8),
        )
        for i, feature in enumerate(features):
            if feature in runs:
                theirs, logits = _logits(runs[feature], split, augmentation)
                if not np.array_equal(theirs, labels):
                    raise FerturbError(
                        f"{runs[feature].name} was tested on other {split} faces than "
                        f"{group.baseline.name}; compare runs on the same dataset"
                    )
                one = outcomes(labels, logits)
                found.probability[i], found.predicted[i] = one.probability, one.predicted
        return found

    controls = predicted(group.controls)
    return Ablation(
        features,
        labels,
        outcomes(labels, logits),
        predicted(group.without),
        Outcomes(controls.probability[:, None], controls.predicted[:, None]),
        area=np.zeros((len(features), n), np.int32),
        record={"split": split, "augmentation": augmentation, "fill": group.fill},
    )


def _key(run: Run) -> RunConfig:
    """The config without what is left out of the faces, and without names of other runs."""
    plain, data = DatasetConfig(), run.config.dataset
    whole = replace(
        data,
        left_out=None,
        left_out_control=False,
        left_out_fill=plain.left_out_fill,
        alteration_seed=plain.alteration_seed if data.face_masks is None else data.alteration_seed,
    )
    return replace(run.config, dataset=whole, attention_run=None, teachers=(), initial_weights=None)


def _of(group: Mapping[tuple[str, bool], Run], control: bool) -> dict[str, Run]:
    """The runs without a feature, or without its control, in the order of the features."""
    return {f: group[f, control] for f in FEATURES if (f, control) in group}


def _logits(
    run: Run, split: str, augmentation: str
) -> tuple[Int64[Array, " n"], Float32[Array, "n 7"]]:
    try:
        return run.logits(split, augmentation)
    except KeyError as error:
        raise FerturbError(
            f"{run.folder} stored no logits for {split} with augmentation {augmentation!r}; "
            f"stored: {', '.join(run.augmentations())}"
        ) from error
