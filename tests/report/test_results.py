"""Reading a study: everything that the runs stored, and what can't be read is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.config import SaliencyOptions
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.evaluation.saliency.mass import explain_run
from ferturb.report.results import read_study
from ferturb.report.run_results import read_run
from ferturb.runs.run import Run

Study = Callable[..., Path]


def test_a_run_is_read_as_it_was_stored(trained: Path) -> None:
    run = Run(trained / "compact-perturb-s0")
    found = read_run(run)
    assert (found.name, found.config, found.done) == (run.name, run.config, True)
    assert found.history == run.history()
    assert found.record == run.record()
    assert set(found.logits) == {(s, a) for s in ("validation", "test") for a in ("none", "flip")}
    for (split, name), pair in found.logits.items():
        for ours, theirs in zip(pair, run.logits(split, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert found.cluster_maps is not None
    np.testing.assert_array_equal(found.cluster_maps, run.cluster_maps())
    assert found.elsewhere == {}


def test_logits_on_other_faces_are_read(trained: Path) -> None:
    run = Run(trained / "compact-mixed-s0")
    found = read_run(run).elsewhere["on-whole"]
    arrays, _ = run.analysis("on-whole")  # type: ignore[misc]
    labels, logits = found["test", "flip"]
    np.testing.assert_array_equal(labels, arrays["labels_test"])
    np.testing.assert_array_equal(logits, arrays["test_flip"])


@pytest.mark.usefixtures("tiny_networks")
def test_analyses_are_read(study: Study, trained_faces: Faces) -> None:
    run = Run(study(models=("compact",)) / "runs" / "compact-baseline-s0")
    explain_run(run, trained_faces, SaliencyOptions("gradient", faces=1))
    assert list(read_run(run).explanations) == ["saliency-gradient"]


def test_the_state_of_every_planned_run(study: Study) -> None:
    folder = study(unfinished=["compact-perturb-s0"], missing=["resnet18-baseline-s0"])
    (folder / "runs" / "resnet18-attention-s0" / "run.json").write_text("{")
    (folder / "runs" / "compact-attention-s0" / "logits.npz").write_bytes(b"PK but no zip")
    (folder / "runs" / "compact-baseline-s0").rename(folder / "runs" / "unplanned")
    results = read_study(folder)
    states = {plan.name: plan.state for plan in results.planned}
    assert list(states)[-1] == "unplanned"
    assert states["compact-perturb-s0"] == "unfinished (epoch 1 of 2)"
    assert states["compact-baseline-s0"] == states["resnet18-baseline-s0"] == "not started"
    assert states["unplanned"] == states["resnet18-perturb-s0"] == "done"
    for name in ("resnet18-attention-s0", "compact-attention-s0"):
        assert states[name].startswith("unreadable: ")
        assert name in states[name]
        assert "\n" not in states[name]
    assert [run.name for run in results.done] == ["resnet18-perturb-s0", "unplanned"]


def test_a_folder_without_a_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="is not a study folder"):
        read_study(tmp_path)
