"""Every file of a run folder in every kind of damage: one line, or what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_arrays, write_json, write_text
from ferturb.runs import contents
from ferturb.training.checkpoint import Epoch

RECORD: dict[str, Any] = {
    "versions": {"python": "3.11", "timm": None},
    "commit": None,
    "started": "2026-01-01T00:00:00+00:00",
    "data": {
        "source": "drawn",
        "kind": "synthetic",
        "hash": "ab",
        "notes": [],
        "counts": {"train": dict.fromkeys(EMOTIONS, 3)},
    },
    "best_epoch": 2,
    "epochs": 3,
    "seconds": 1.5,
    "validation_accuracy": 0.5,
    "something": ["of another version"],
}


def refused(read: Any, path: Path, match: str, *more: Any) -> None:
    with pytest.raises(FerturbError, match=match) as caught:
        read(path, *more)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", RECORD)
    assert contents.read_record(tmp_path / "run.json", finished=True) == RECORD
    write_json(tmp_path / "run.json", {})
    assert contents.read_record(tmp_path / "run.json") == {}  # of a run that has just begun
    refused(contents.read_record, tmp_path / "run.json", "names no best epoch", True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"best_epoch": "2"}, "best_epoch can't be '2'"),
        ({"best_epoch": True}, "best_epoch can't be True"),
        ({"best_epoch": float("nan")}, "best_epoch can't be nan"),
        ({"best_epoch": 0}, "names no best epoch"),
        ({"best_epoch": 10**30}, "best_epoch can't be 1000"),
        ({"seconds": None}, "seconds can't be None"),
        ({"seconds": 10**400}, "seconds can't be 1000"),
        ({"data": []}, r"data can't be \[\]"),
        ({"data": {"hash": 3}}, "hash can't be 3"),
        ({"data": {"counts": {"train": {"angry": "x"}}}}, "counts can't be"),
        ({"data": {"counts": {"train": {"angry": 1}}}}, "not of each split and emotion"),
        ({"data": {"counts": {"trian": {}}}}, "not of each split and emotion"),
        ({"hardware": {}}, "hardware lacks 'cores'"),
        ({"versions": {"numpy": 2}}, "versions can't be"),
        ({"resumed_with": "abc"}, "resumed_with can't be 'abc'"),
        ({"notes": [1]}, "notes can't be"),
    ],
)
def test_a_record_of_another_form_is_refused(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**RECORD, **change}))
    refused(contents.read_record, path, says)


HEAD = "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,seconds\n"


def test_a_history_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    assert contents.read_history(path) == []
    write_text(path, HEAD + "1,0.5,0.25,nan,nan,0.1,2\n2,0.5,0.25,1.5,0.75,0.1,2\n")
    first, second = contents.read_history(path)
    assert np.isnan(first.validation_loss)
    assert second == Epoch(2, 0.5, 0.25, 1.5, 0.75, 0.1, 2.0)
    assert contents.of_epoch([first, second], 2, path) is second
    refused(lambda p: contents.of_epoch([first], 2, p), path, "has 1 epochs, .* epoch 2")


@pytest.mark.parametrize(
    "text",
    [
        "name,age\nx,3\n",
        "epoch\n1\n",
        HEAD + "1,2\n",
        HEAD + "1,a,b,c,d,e,f\n",
        HEAD + "1,1,1,1,1,1,1,1\n",
        HEAD + "2,1,1,1,1,1,1\n",
        HEAD + "1,1,1,1,1,1,1\n1,1,1,1,1,1,1\n",
        HEAD.replace("seconds", "minutes") + "1,1,1,1,1,1,1\n",
        HEAD + "1,1,1,1,1,1,\x00\n",
        '"' + HEAD,
        "\udcff",
    ],
)
def test_a_foreign_history_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "history.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    try:
        found = contents.read_history(tmp_path / "history.csv")
    except FerturbError:
        refused(contents.read_history, tmp_path / "history.csv", "not the history of a training")
    else:
        assert found == []


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"epoch": 1}', '{"epoch": "x", "steps": 0}']
)
def test_progress_that_cant_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "progress.json").write_text(text)
    assert contents.read_progress(tmp_path / "progress.json") == {}
    assert contents.read_progress(tmp_path / "none.json") == {}


LABELS = np.array([0, 6, 3])
LOGITS = np.zeros((3, 7), np.float32)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels_test": np.array([0, 7, 1])}, "labels_test are not numbers from 0 to 6"),
        ({"labels_test": np.array([-1, 0, 1])}, "labels_test are not numbers"),
        ({"labels_test": np.array([0.5, 0, 1])}, "labels_test are not numbers"),
        ({"labels_test": np.array([[0], [1]])}, "labels_test are not numbers"),
        ({"test_none": LOGITS[:2]}, "test_none is not 7 logits for each of 3"),
        ({"test_none": LOGITS[:, :5]}, "test_none is not 7 logits"),
        ({"test_none": LOGITS.astype(int)}, "test_none is not 7 logits"),
        ({"whole_test_none": LOGITS[:1]}, "whole_test_none is not 7 logits"),
    ],
)
def test_logits_that_are_none_are_refused(
    tmp_path: Path, change: dict[str, np.ndarray], says: str
) -> None:
    path, good = tmp_path / "logits.npz", {"labels_test": LABELS, "test_none": LOGITS}
    write_arrays(path, {**good, "other": np.zeros(2)})
    assert set(contents.read_logits(path)) == {*good, "other"}
    write_arrays(path, good | change)
    refused(contents.read_logits, path, says)
    write_arrays(path, {"test_none": LOGITS})
    refused(contents.read_logits, path, "has no labels")


@pytest.mark.parametrize("kept", ["[]", "{", "3", '{"data": 3}'])
def test_an_analysis_without_a_true_record_is_refused(tmp_path: Path, kept: str) -> None:
    path = tmp_path / "look.npz"
    write_arrays(path, {contents.RECORD: np.array(kept), "a": LOGITS})
    refused(contents.read_analysis, path, "not an analysis of a run .*analyse the run again")
