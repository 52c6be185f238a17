from __future__ import annotations

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ferturb.base.config import FAST, ModelConfig, RunConfig
from ferturb.base.errors import FerturbError, missing
from ferturb.data.faces import Faces
from ferturb.runs.execute import execute_run
from ferturb.runs.run import Run
from ferturb.runs.tracking import MEASURED, MLflow, TensorBoard, Tracking, require_trackers


@pytest.fixture
def run(tiny: str, tmp_path: Path) -> Run:
    recipe = replace(FAST, epochs=3, progressive_sizes=())
    return Run.create(tmp_path / "run", RunConfig(model=ModelConfig(tiny), recipe=recipe))


def trained(run: Run, faces: Faces, name: str) -> None:
    """Train in two processes' way, the second of which goes on after an epoch, and look again."""
    for pause in (1, 0, 0):
        tracking = Tracking(run, (name,))
        execute_run(run, faces, on_step=tracking.step, pause_after=pause)
        tracking.end()
    assert run.done


def test_tensorboard_has_the_runs_history(run: Run, toy_faces: Faces) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained(run, toy_faces, "tensorboard")
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == set(MEASURED)
    for name in MEASURED:
        shown = {event.step: event.value for event in events.Scalars(name)}
        expected = {int(row["epoch"]): row[name] for row in run.history()}
        assert shown == pytest.approx(expected, rel=1e-6)
        assert len(events.Scalars(name)) == 3


def test_a_run_that_is_ended_early_is_shown_as_that(run: Run, toy_faces: Faces) -> None:
    ends: list[object] = []
    tracking = Tracking(run, ())
    tracking.trackers.append(
        SimpleNamespace(epoch=lambda row: ends.append(row["epoch"]), end=ends.append)
    )
    execute_run(run, toy_faces, on_step=tracking.step, pause_after=1)
    tracking.end()
    assert ends == [1]
    tracking.end(early=True)
    assert ends == [1, None]


@pytest.mark.slow  # MLflow makes its tables
def test_mlflow_has_the_runs_history_once(
    run: Run, toy_faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with ThreadPoolExecutor(2) as pool:  # two that train side by side make one store
        other = pool.submit(MLflow, Run.create(run.folder.parent / "other", run.config))
        trained(run, toy_faces, "mlflow")
        other.result().end(None)
    client = MlflowClient(f"sqlite:///{run.folder.parent / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "ferturb"]
    found = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
    assert set(found) == {"run", "other"}
    assert found["other"].info.status == "KILLED"
    own = found["run"]
    assert own.info.status == "FINISHED"
    assert own.data.params["recipe.epochs"] == "3"
    assert own.data.tags["ferturb.best_epoch"] == str(run.record()["best_epoch"])
    for name in MEASURED:
        logged = [(m.step, m.value) for m in client.get_metric_history(own.info.run_id, name)]
        assert logged == [(int(row["epoch"]), pytest.approx(row[name])) for row in run.history()]


def test_without_the_library_it_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in list(sys.modules):
        if name.startswith("torch.utils.tensorboard"):
            monkeypatch.delitem(sys.modules, name)
    for tracker, extra in ((MLflow, "mlflow"), (TensorBoard, "tensorboard")):
        with pytest.raises(ModuleNotFoundError) as raised:
            tracker(run)
        assert f"[{extra}]" in str(missing(raised.value))
        with pytest.raises(ModuleNotFoundError):
            require_trackers((extra,))
    with pytest.raises(FerturbError, match="unknown tracker 'wandb'"):
        Tracking(run, ("wandb",))


def test_nothing_is_tracked_unless_it_is_asked_for(run: Run, toy_faces: Faces) -> None:
    with contextlib.suppress(KeyError):
        del sys.modules["torch.utils.tensorboard"]
    tracking = Tracking(run, ())
    execute_run(run, toy_faces, on_step=tracking.step)
    tracking.end()
    assert "torch.utils.tensorboard" not in sys.modules
    assert not (run.folder / "tensorboard").exists()
