"""Trials that an executor trains are those that the search trains by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from ferturb.base.config import FAST, ModelConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.data.faces import Faces
from ferturb.report.search.results import Trial
from ferturb.runs.execute import execute_run
from ferturb.runs.run import Run
from ferturb.runs.tracking import TRACKERS
from ferturb.study.jobs import Job
from ferturb.study.search.by_executor import by_executor
from ferturb.study.search.outcome import read_trials
from ferturb.study.search.plan import Search, SearchFolder
from ferturb.study.search.trials import Worker

SPACE = ("recipe.learning_rate=0.02,0.00001,900000", "model.dropout=0..0.01")


@dataclass
class Training:
    """Trains an epoch whenever it is looked at."""

    run: Run
    faces: Faces
    said: str | None = None

    def running(self) -> bool:
        return True

    def ended(self) -> str | None:
        if self.said is None:
            try:
                self.said = "" if execute_run(self.run, self.faces, pause_after=1) else None
            except FerturbError as error:
                self.said = str(error)
        return self.said

    def stop(self) -> None:
        self.said = "it was stopped"


@dataclass
class Here:
    """An executor that trains in this process."""

    faces: Faces
    room_for: int = 9
    most: int = 0
    left: list[Training] = field(default_factory=list)
    poll_seconds: float = 0.0
    queues: bool = False

    def room(self, taken: int) -> bool:
        self.most = max(self.most, taken)
        return taken < self.room_for

    def start(self, runs: Sequence[Run], needs: object) -> list[Training]:
        return [Training(run, self.faces) for run in runs]

    def leave(self, left: list[Training]) -> None:
        self.left = list(left)


class OfSlowOnes(BasePruner):
    """Ends those of a low rate after two epochs."""

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        return trial.params["recipe.learning_rate"] < 0.001 and trial.last_step == 2


@pytest.fixture
def search(tiny: str, monkeypatch: pytest.MonkeyPatch) -> Search:
    """A trial that ends well, one that is behind it, and one that diverges."""
    monkeypatch.setattr(Search, "pruner", lambda _: OfSlowOnes())
    recipe = replace(FAST, epochs=3, progressive_sizes=(), batch_size=32, average=0.0)
    recipe = replace(recipe, momentum=0.99, learning_rate=0.02)
    base = RunConfig(model=ModelConfig(tiny), recipe=recipe, seed=5)
    return Search(base, SPACE, 3, "random", 2)


def said(place: SearchFolder) -> list[tuple[object, ...]]:
    def of(t: Trial) -> tuple[object, ...]:
        return (t.number, t.state, t.accuracy, t.values, t.by_epoch, t.run, t.error)

    return [of(t) for t in read_trials(place, place.study())]


class Tracker:
    """What is shown of each run, by its name."""

    def __init__(self, run: Run, seen: dict[str, list[object]]) -> None:
        self.shown = seen.setdefault(run.name, [])

    def epoch(self, row: Mapping[str, float]) -> None:
        self.shown.append(row["validation_accuracy"])

    def end(self, record: Mapping[str, object] | None) -> None:
        self.shown.append(record and record["best_epoch"])


def test_an_executor_trains_and_tracks_what_the_search_would(
    search: Search, toy_faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, list[object]]] = [{}, {}]
    for i, name in enumerate("ab"):
        monkeypatch.setitem(TRACKERS, name, lambda run, i=i: Tracker(run, seen[i]))
    alone = SearchFolder.create(tmp_path / "alone", search)
    Worker(alone, toy_faces, track=("a",)).work()
    place, shown = SearchFolder.create(tmp_path / "search", search), list[str]()
    states = lambda jobs: shown.append(jobs[-1].state)  # noqa: E731
    by_executor(place, toy_faces, Here(toy_faces), 1, states, ("b",))
    assert said(place) == said(alone)
    assert [state for _, state, *_ in said(place)] == ["complete", "stopped early", "failed"]
    assert set(shown) == {"running", "failed"}  # of the last one at the end
    assert seen[0] == seen[1]
    assert [len(seen[0][str(run)]) for *_, run, _ in said(place)] == [4, 3, 1]  # with the end
    early = [run for _, state, *_, run, _ in said(place) if state == "stopped early"]
    for name in early:
        here = {path.name for path in (place.folder / "runs" / str(name)).iterdir()}
        assert not {"checkpoint.safetensors", "model.safetensors"} & here


def test_a_search_that_is_ended_leaves_its_trials_to_the_next(
    search: Search, toy_faces: Faces, tmp_path: Path
) -> None:
    place = SearchFolder.create(tmp_path, search)
    executor, looks = Here(toy_faces, room_for=2), 0

    def interrupt(jobs: Sequence[Job]) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        by_executor(place, toy_faces, executor, 5, interrupt)
    assert executor.most == len(executor.left) == 2
    begun = {training.run.name for training in executor.left}
    by_executor(place, toy_faces, Here(toy_faces), 3)
    assert len(said(place)) == 3
    assert begun <= {str(run) for *_, run, _ in said(place)}
    with pytest.raises(FerturbError, match="begun on other faces"):
        by_executor(place, replace(toy_faces, images=toy_faces.images // 2), executor, 1)
