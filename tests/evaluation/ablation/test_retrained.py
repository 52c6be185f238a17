"""Runs with and without a feature: who is compared with whom, and what comes out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.config import DatasetConfig, ModelConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.evaluation.ablation.matrix import matrix
from ferturb.evaluation.ablation.retrained import Retrained, find_retrained, retrained
from ferturb.runs.run import Run

LABELS = np.repeat(np.arange(7), 30)
BASE = RunConfig(DatasetConfig("faces.zip"))


def finished(
    folder: Path, config: RunConfig, right: np.ndarray, labels: np.ndarray = LABELS
) -> Run:
    """A run that named the emotion of the faces that are `right`."""
    run = Run.create(folder / f"{config.model.name}-{config.fingerprint()}", config)
    logits = np.zeros((len(labels), 7), np.float32)
    logits[np.arange(len(labels)), np.where(right, labels, (labels + 1) % 7)] = 2
    run.write_record({"best_epoch": 1})
    run.finish({"labels_test": labels, "test_none": logits})
    return run


def without(feature: str, control: bool = False, fill: str = "mean", **more: object) -> RunConfig:
    dataset = replace(
        BASE.dataset, left_out=feature, left_out_control=control, left_out_fill=fill, **more
    )
    return replace(BASE, dataset=dataset)


ALL = np.ones(len(LABELS), bool)


def test_runs_belong_together_when_nothing_else_differs(tmp_path: Path) -> None:
    base = finished(tmp_path, replace(BASE, attention_run="some"), ALL)
    nose = finished(tmp_path, replace(without("nose"), attention_run="other"), ALL)
    mouth = finished(tmp_path, without("mouth", alteration_seed=3), ALL)
    control = finished(tmp_path, without("mouth", control=True), ALL)
    blurred = finished(tmp_path, without("mouth", fill="blur"), ALL)
    strangers = [
        finished(tmp_path, replace(without("mouth"), seed=1), ALL),
        finished(tmp_path, replace(without("mouth"), model=ModelConfig("vgg16")), ALL),
        finished(tmp_path, without("mouth", clean=True), ALL),
        finished(tmp_path, without("mouth", face_masks="mixed"), ALL),
        Run.create(tmp_path / "unfinished", without("eyes")),
    ]
    groups = find_retrained([mouth, *strangers, blurred, nose, base, control])
    found = {group.fill: group for group in groups}
    assert set(found) == {"mean", "blur"}
    assert found["mean"].baseline == base
    assert found["mean"].without == {"nose": nose, "mouth": mouth}
    assert list(found["mean"].without) == ["nose", "mouth"]  # in the order of the features
    assert found["mean"].controls == {"mouth": control}
    assert (found["blur"].without, found["blur"].controls) == ({"mouth": blurred}, {})
    assert find_retrained([mouth, control]) == []
    assert find_retrained([base, control]) == []


def test_the_matrix_is_that_of_the_differences(tmp_path: Path) -> None:
    happy = LABELS == 3
    base = finished(tmp_path, BASE, ALL)
    mouth = finished(tmp_path, without("mouth"), ~happy)
    control = finished(tmp_path, without("mouth", control=True), ~(happy & (np.arange(210) < 96)))
    nose = finished(tmp_path, without("nose"), ALL)
    group = Retrained(base, "mean", {"mouth": mouth, "nose": nose}, {"mouth": control})
    cells = matrix(retrained(group))
    found = {(cell.feature, cell.emotion): cell for cell in cells}
    cell = found["mouth", "happy"]
    assert (cell.n, cell.change.estimate, cell.pixels) == (30, -1, 0)
    assert cell.control.estimate == pytest.approx(-0.2)
    assert cell.excess.estimate == pytest.approx(-0.8)
    assert cell.needed
    assert found["mouth", "sad"].change.estimate == 0
    assert found["mouth", "all"].change.estimate == pytest.approx(-1 / 7)
    assert found["nose", "happy"].change.estimate == 0
    assert math.isnan(found["nose", "happy"].control.estimate)
    assert math.isnan(found["nose", "happy"].p)
    alone = retrained(Retrained(base, "mean", {"mouth": mouth}, {}))
    change = matrix(alone, "probability")[3].change
    e2 = math.exp(2)
    assert change.estimate == pytest.approx((1 - e2) / (e2 + 6))


def test_other_faces_or_missing_logits_are_refused(tmp_path: Path) -> None:
    base = finished(tmp_path, BASE, ALL)
    other = finished(tmp_path, without("mouth"), ALL, np.roll(LABELS, 1))
    with pytest.raises(FerturbError, match="tested on other test faces than"):
        retrained(Retrained(base, "mean", {"mouth": other}, {}))
    (group,) = find_retrained([base, other])
    with pytest.raises(FerturbError, match=r"no logits for test with augmentation 'flip'"):
        retrained(group, augmentation="flip")
