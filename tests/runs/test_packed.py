"""A run as one small file, there and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.config import BARE, DatasetConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.runs.packed import packed, read_packed, write_packed
from ferturb.runs.run import Run
from ferturb.training.checkpoint import Epoch


def finished(folder: Path) -> Run:
    run = Run.create(folder, RunConfig(recipe=BARE, seed=3))
    run.write_history([Epoch(1, 1.5, 0.5, 2.0, 0.25, 0.1, 3.0)])
    run.write_record({"commit": "abc", "seconds": 3.0, "best_epoch": 1})
    logits = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    run.finish({"test_none": logits, "labels_test": np.array([0, 1, 2, 3, 6])})
    return run


def test_what_is_packed_comes_back_but_for_float16(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    write_packed(tmp_path / "deep" / "run.npz", packed(run))
    found = read_packed(tmp_path / "deep" / "run.npz")
    assert found.config == run.config
    assert found.history == run.history()
    assert found.record == run.record()
    assert found.logits["labels_test"].tolist() == [0, 1, 2, 3, 6]
    whole = packed(run).logits["test_none"]
    np.testing.assert_allclose(found.logits["test_none"], whole, atol=2e-3)
    assert found.logits["test_none"].dtype == np.float16


def test_data_have_names_and_no_folders(tmp_path: Path) -> None:
    run = packed(finished(tmp_path / "run"))
    paths = {"source": "/a/faces.zip", "fer_plus": "/b/plus.csv", "votes": "/c/votes.csv"}
    config = replace(run.config, dataset=DatasetConfig(**paths), published_weights="/d/w.pth")
    write_packed(tmp_path / "run.npz", replace(run, config=config))
    found = read_packed(tmp_path / "run.npz").config
    kept = [getattr(found.dataset, name) for name in paths]
    assert [*kept, found.published_weights] == ["faces.zip", "plus.csv", "votes.csv", "w.pth"]


def test_other_files_and_unfinished_runs_are_one_line_errors(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("no")
    for name, said in (("other", "packed run"), ("text", "npz file"), ("missing", "not exist")):
        with pytest.raises(FerturbError, match=said):
            read_packed(tmp_path / f"{name}.npz")
    whole = packed(finished(tmp_path / "run"))
    write_packed(tmp_path / "run.npz", replace(whole, logits={"test_none": np.zeros((2, 7))}))
    with pytest.raises(FerturbError, match="no labels"):
        read_packed(tmp_path / "run.npz")
    with pytest.raises(FerturbError, match="not finished"):
        packed(Run.create(tmp_path / "new", RunConfig()))
