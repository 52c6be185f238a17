"""The verb `ferturb evaluate`: trained runs judged, on their own faces or on others."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional
from tyro.extras import SubcommandApp

from ferturb.base.config import DatasetConfig
from ferturb.cli.options import Device, Json, absolute, read_faces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def register(app: SubcommandApp) -> None:
    """Add this verb to the command line."""
    app.command(evaluate)


def evaluate(
    runs: Positional[tuple[Path, ...]],
    /,
    *,
    split: Literal["validation", "test"] = "test",
    augmentation: str = "flip",
    ensemble: bool = False,
    choose: bool = False,
    data: str | None = None,
    face_masks: str | None = None,
    clean: bool = False,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Accuracy, F1, calibration and per-emotion accuracy of trained runs, with intervals.

    By default on the faces each run kept for it; with --data or --face-masks on other faces, and
    what came out is kept with the run.

    Example: ferturb evaluate runs/* --ensemble --augmentation flip

    Args:
        runs: Run folders.
        split: `validation` to choose on, `test` to report.
        augmentation: Test-time augmentation: `none`, `flip`, `zoom` (three sizes, each mirrored)
            or `ten-crop`; what a run has not stored is measured once and kept with it.
        ensemble: Also judge the sum of all runs' logits.
        choose: Also judge the sum of those that are best together on the validation faces
            (greedily: the best run, then whichever adds most).
        data: Other faces to test on: a path, or `synthetic` (default: the first run's own source).
        face_masks: What those faces wear: `none`, `mixed`, `surgical`, `cloth`, `n95`, …
        clean: Judge only the faces without an exact copy in training (FER2013 has hundreds).
        json: Print JSON for a script in place of tables.
        device: `cpu`, `cuda`, …
    """
    from ferturb.cli import terminal
    from ferturb.evaluation.scores import judge_runs

    on = None
    if data is not None or face_masks is not None:
        on = _measure_on(runs, data, face_masks, augmentation, device, json)
    if on is None or choose:
        _measure_own(runs, augmentation, device, json)
    kept = _uncopied(runs, data, split, json) if clean else None
    judged = judge_runs(runs, split, augmentation, ensemble, on, kept, choose)
    if json:
        terminal.print_json([dataclasses.asdict(row) for row in judged])
        return
    terminal.table(
        f"{split}, {augmentation} (95 % intervals over faces)",
        ["run", "accuracy %", "macro-F1", "balanced %", "ECE %", "n"],
        [row.cells() for row in judged],
    )
    if choose:
        terminal.facts({"chosen on validation": ", ".join(judged[-1].members)})
    from ferturb.base.emotions import EMOTIONS

    terminal.table(
        "accuracy per emotion, %",
        ["run", *EMOTIONS],
        [[row.name, *(f"{100 * v:.1f}" for v in row.per_emotion.values())] for row in judged],
    )


def _measure_own(folders: tuple[Path, ...], augmentation: str, device: str, quiet: bool) -> None:
    """Measure, of their own faces, the runs that did not store this augmentation."""
    from ferturb.base.config import choose
    from ferturb.cli import terminal
    from ferturb.evaluation.other_data import measure_own
    from ferturb.models.device import prepare_process
    from ferturb.models.test_time import AUGMENTATIONS
    from ferturb.runs.run import Run

    choose("test-time augmentation", augmentation, AUGMENTATIONS)
    opened = [Run.open(folder) for folder in folders]
    lacking = [run for run in opened if run.done and augmentation not in run.augmentations()]
    if not lacking:
        return
    chosen = prepare_process(device)
    for run in lacking:
        faces = read_faces(run.config.dataset, quiet)
        with terminal.working(run.name, quiet) as progress:
            measure_own(run, faces, augmentation, chosen, progress)


def _measure_on(
    folders: tuple[Path, ...],
    data: str | None,
    face_masks: str | None,
    augmentation: str,
    device: str,
    quiet: bool,
) -> str:
    """Test runs on other faces; the name under which each keeps the results."""
    from ferturb.cli import terminal
    from ferturb.evaluation.other_data import altered_name, data_name, measure_on
    from ferturb.models.device import prepare_process
    from ferturb.runs.run import Run

    opened = [Run.open(folder) for folder in folders]
    own = opened[0].config.dataset if opened else DatasetConfig()
    dataset = DatasetConfig(absolute(data)) if data is not None else own
    dataset = replace(dataset, face_masks=None if face_masks == "none" else face_masks)
    faces = read_faces(dataset, quiet)
    name = altered_name(dataset) if data is None else data_name(faces)
    chosen = prepare_process(device)
    for run in opened:
        with terminal.working(run.name, quiet) as progress:
            measure_on(run, faces, name, (augmentation,), chosen, progress)
    return name


def _uncopied(
    folders: tuple[Path, ...], data: str | None, split: str, quiet: bool
) -> NDArray[np.bool_]:
    """Which faces of a split have no exact copy in training."""
    from ferturb.data.audit import copied
    from ferturb.data.faces import SPLITS
    from ferturb.runs.run import Run

    own = Run.open(folders[0]).config.dataset if folders else DatasetConfig()
    dataset = replace(own, face_masks=None, left_out=None, left_out_control=False)
    faces = read_faces(dataset if data is None else DatasetConfig(absolute(data)), quiet)
    kept: NDArray[np.bool_] = ~copied(faces)[faces.splits == SPLITS.index(split)].numpy()
    return kept
