"""A whole study in processes of its own, from faces to report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibrated_run import finished_run
from ferturb.base.config import FAST, DatasetConfig, MethodConfig, ModelConfig, RunConfig
from ferturb.base.config.changes import Changes
from ferturb.base.errors import FerturbError
from ferturb.base.threads import usable_cores
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.sources import load_faces
from ferturb.runs.run import Run, run_folder_name
from ferturb.study.adapting import adapt
from ferturb.study.jobs import execute_all
from ferturb.study.local import Processes, default_workers
from ferturb.study.plan import PRESETS, Study
from ferturb.study.study import _prepared, _write_study, rebuild_report, run_study
from trained_here import Here


def small(tmp_path: Path, *models: str) -> Study:
    write_folder(synthetic_faces(140), tmp_path / "faces")
    return Study(
        "small",
        "a test",
        models=models,
        methods=(MethodConfig("baseline"), MethodConfig("perturb", attention_faces=16)),
        recipe=replace(FAST, epochs=1),
        attention_epochs=1,
        dataset=DatasetConfig(str(tmp_path / "faces")),
    )


@pytest.mark.slow
def test_from_faces_to_report_with_one_model_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    study = small(tmp_path, "compact-tiny", "test_vit")
    faces = load_faces(study.dataset)
    out = tmp_path / "study"
    outcome = run_study(study, out, faces)
    assert [name.split("-")[-4] for name in outcome.done] == [
        "baseline",
        "attention",
        "perturb",
        "baseline",
    ]
    errors = list(outcome.failed.values())  # a transformer has no maps to put attention between
    assert len(errors) == 2
    assert "attention" in errors[0]
    assert "failed" in errors[1]  # its attention run did
    page = outcome.report.read_text()
    assert "test_vit" in page
    planned = json.loads((out / "study.json").read_text())["runs"]
    assert len(planned) == 6

    done = out / "runs" / outcome.done[0]
    before = (done / "logits.npz").stat().st_mtime_ns
    told: list[str] = []
    looked_at = replace(
        study, models=("compact-tiny",), analyses=("ablation", "saliency"), effort="light"
    )
    again = run_study(looked_at, out, faces, on_analysis=lambda title, *_: told.append(title))
    assert again.failed == {}
    assert len(set(told)) == 3  # the matrix of the baseline, saliency of both methods
    page = again.report.read_text()
    for section in ("Facial features", "Where the models look", "Attention and clusters"):
        assert f">{section}</h2>" in page
    assert rebuild_report(out).read_text() == page
    told.clear()
    monkeypatch.setattr("ferturb.study.study.build_report", lambda folder, _: folder / "none.html")
    run_study(looked_at, out, faces, on_analysis=lambda title, *_: told.append(title))
    assert told == []  # what is stored is not computed again
    assert (done / "logits.npz").stat().st_mtime_ns == before  # what is done is kept


@pytest.mark.slow
def test_an_experiment_chooses_its_rates_and_goes_on_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("ferturb.study.study.build_report", lambda folder, _: folder / "none.html")
    write_folder(synthetic_faces(140), tmp_path / "faces")
    source = str(tmp_path / "faces")
    changes = Changes(data=source, arms=("whole", "one-view"), replicates=1, epochs=1)
    study = adapt(PRESETS["leaving-out"], changes)
    assert study.experiment is not None
    cells = {name: replace(c, faces=c.faces and 50) for name, c in study.experiment.cells.items()}
    study = replace(study, experiment=replace(study.experiment, cells=cells))
    faces = load_faces(study.dataset)
    outcome = run_study(study, tmp_path / "study", faces, workers=Here())
    assert outcome.failed == {}
    runs = [Run.open(tmp_path / "study" / "runs" / name) for name in outcome.done]
    rates: dict[str, dict[float, float]] = {}
    for run in runs[:6]:
        assert run.config.seed == run.config.dataset.subset_seed == 100
        tried = rates.setdefault(run.config.method.name, {})
        tried[run.config.recipe.learning_rate] = _first_reading(run)
    for run in runs[6:]:
        tried = rates[run.config.method.name]
        assert run.config.recipe.learning_rate == max(tried, key=lambda r: (tried[r], r))
    assert [run.config.dataset.training_faces for run in runs[6:]] == [50, 50, None, None]
    again = run_study(study, tmp_path / "study", faces, workers=Here())
    assert again.done == outcome.done  # nothing is left to train


def _first_reading(run: Run) -> float:
    """Accuracy on validation faces: the whole face's."""
    with np.load(run.folder / "logits.npz") as arrays:
        name = "validation_none"
        name = f"whole_{name}" if f"whole_{name}" in arrays else name
        return float((arrays[name].argmax(1) == arrays["labels_validation"]).mean())


def test_a_finished_run_is_not_started_again(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", "compact-tiny")
    jobs = execute_all([run], Processes(1))
    assert [job.state for job in jobs] == ["done"]
    assert jobs[0].started is None
    (refused,) = execute_all([run], Processes(1), refused={run.name: "other faces"})
    assert (refused.state, refused.error, refused.started) == ("failed", "other faces", None)


def test_workers() -> None:
    assert default_workers("cuda:0") == 1
    assert default_workers("cpu") == usable_cores()
    assert Processes(2).threads == Processes(1).threads == 1
    assert Processes(1, "cuda:0").threads == usable_cores()


def test_a_run_whose_folder_cant_be_used_does_not_stop_the_others(tmp_path: Path) -> None:
    configs = [replace(RunConfig(model=ModelConfig("compact-tiny")), seed=seed) for seed in (0, 1)]
    folder = tmp_path / run_folder_name(configs[0])
    (folder / "config.json").mkdir(parents=True)
    runs, failed = _prepared(tmp_path, configs)
    assert [run.name for run in runs] == [run_folder_name(configs[1])]
    assert list(failed) == [folder.name]
    with pytest.raises(FerturbError, match="unknown model"):
        _prepared(tmp_path / "new", [*configs, RunConfig(model=ModelConfig("resnet81"))])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("text", ["null", "[]", "", '{"runs": 3}', '{"started": []}'])
def test_a_damaged_plan_is_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.json").write_text(text)
    _write_study(PRESETS["quick"], tmp_path, ["a"], "cpu")
    assert json.loads((tmp_path / "study.json").read_text())["runs"] == ["a"]
    _write_study(PRESETS["quick"], tmp_path, ["b"], "cpu")
    assert json.loads((tmp_path / "study.json").read_text())["runs"] == ["b", "a"]
