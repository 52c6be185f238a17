"""Analyses in processes of their own, beside trainings and each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ferturb.base.config import FAST, DatasetConfig, MethodConfig
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.faces import Faces
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.sources import load_faces
from ferturb.runs.run import Run
from ferturb.study.analyses import analyse, missing
from ferturb.study.analysing import Analysts
from ferturb.study.jobs import Started
from ferturb.study.local import Processes
from ferturb.study.plan import Study
from ferturb.study.process import Process
from ferturb.study.study import run_study
from trained_here import Ended, Here

pytestmark = pytest.mark.slow
Told = list[tuple[str, int, int]]


class HereInTurn(Processes):
    """Processes that train in this one, one run after the other."""

    def room(self, taken: int) -> bool:
        return taken == 0

    def start(  # type: ignore[override]
        self, runs: Sequence[Run], needs: Mapping[str, Sequence[Started]]
    ) -> list[Ended]:
        return Here().start(runs, needs)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    write_folder(synthetic_faces(140), tmp_path / "faces")
    return Study(
        "small",
        "a test",
        models=("compact-tiny",),
        methods=(MethodConfig("baseline"), MethodConfig("random-erasing")),
        recipe=replace(FAST, epochs=1, precision="float32"),
        attention_epochs=1,
        dataset=DatasetConfig(str(tmp_path / "faces")),
        analyses=("ablation", "saliency"),
        effort="light",
    )


def test_they_find_what_this_process_would_and_say_why_where_they_fail(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces, told = load_faces(study.dataset), Told()
    monkeypatch.setattr("ferturb.study.study.WORTH_PROCESSES", 0)
    monkeypatch.setattr("ferturb.study.study.analyse", None)  # nothing is left for this process
    monkeypatch.setattr("ferturb.study.study.build_report", lambda folder, _: folder / "none.html")
    rooms: list[int] = []

    class Noted(Analysts):
        def look(self, done: Sequence[Run], room: int) -> bool:
            rooms.append(room)
            return super().look(done, room)

    monkeypatch.setattr("ferturb.study.analysing.Analysts", Noted)
    outcome = run_study(
        study,
        tmp_path / "study",
        faces,
        workers=HereInTurn(2),
        on_analysis=lambda *a: told.append(a),
    )
    assert outcome.failed == {}
    assert 1 in rooms  # a run trained and one analysis had room beside it
    assert rooms[-1] == 2
    run = Run.open(tmp_path / "study" / "runs" / outcome.done[0])
    assert run.analyses() == ("ablation", "saliency-smoothgrad")
    titles = [f"{run.name}: ablation (1 of 2)", f"{run.name}: saliency-smoothgrad (2 of 2)"]
    assert list(dict.fromkeys(title for title, *_ in told)) == titles
    for title in titles:
        parts = [part for name, *part in told if name == title]
        assert parts[0] == [0, 1]
        assert parts[-1] == [1, 1]
    assert_alike(run, computed_here(study, run, faces, tmp_path / "copy"))

    shutil.rmtree(run.folder / "analyses")
    model = run.folder / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-100])
    analysts = Analysts(study, tmp_path, lambda *a: None)
    assert analysts.look([run], 2)
    ablation, _ = analysts._running
    ablation.process.kill()
    analysts.finish([run], 2)
    said = analysts.failed.pop(f"{run.name}: ablation")
    assert re.fullmatch(r"its process ended with code -?\d+", said)
    (said,) = analysts.failed.values()
    assert "model.safetensors" in said

    analysts = Analysts(study, tmp_path, lambda *a: None)
    analysts.look([run], 1)
    (begun,) = analysts._running  # the other waits
    assert begun.process.poll() is None
    analysts.stop()  # as the end of a study, whatever ends it, does
    assert begun.process.poll() is not None
    assert run.analyses() == ()


def computed_here(study: Study, run: Run, faces: Faces, folder: Path) -> Run:
    """A copy of a run with its analyses made in this process."""
    copy = Run(Path(shutil.copytree(run.folder, folder / run.name)))
    shutil.rmtree(copy.folder / "analyses")
    tasks, known = missing(study, [copy]), {study.dataset: faces}
    assert analyse(tasks, known, torch.device("cpu"), lambda *a: None) == {}
    return copy


def assert_alike(one: Run, other: Run) -> None:
    for name in one.analyses():
        ours, theirs = one.analysis(name), other.analysis(name)
        assert ours is not None
        assert theirs is not None
        for key, values in ours[0].items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(values, theirs[0][key], rtol=1e-4, atol=1e-5)
            else:
                np.testing.assert_array_equal(values, theirs[0][key])


@pytest.mark.skipif(sys.platform == "win32", reason="other ways to end a process")
def test_how_far_one_was_is_not_why_it_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("3 of 11\n")
    with subprocess.Popen(["sleep", "60"]) as killed:
        killed.kill()
        killed.wait()
        assert Process(log, killed).ended() == "its process ended with code -9"
    with subprocess.Popen(["false"]) as failed:
        failed.wait()
        assert Process(log, failed).ended() == "3 of 11"
