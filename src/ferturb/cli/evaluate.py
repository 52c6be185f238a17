"""The verb `ferturb evaluate`: trained runs scored, on their own faces or on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional

from ferturb.base.config import DatasetConfig
from ferturb.base.errors import FerturbError
from ferturb.cli.options import Device, Json, LabelOrder, other_faces, read_faces

if TYPE_CHECKING:
    import torch

    from ferturb.evaluation.other_data import Pair
    from ferturb.evaluation.scores import ScoreRow
    from ferturb.runs.run import Run


@dataclass(frozen=True)
class EvaluateOptions:
    """What runs are tested on, and which rows come out."""

    split: Literal["validation", "test"] = "test"
    """`validation` to choose on, `test` to report."""
    augmentation: str = "flip"
    """Test-time augmentation: `none`, `flip`, `zoom` (three sizes, each mirrored) or `ten-crop`;
    what a run has not stored is measured."""
    ensemble: bool = False
    """Also score the sum of all runs' logits."""
    choose: bool = False
    """Also score the sum of those that are best together on the validation faces (greedily: the
    best run, then whichever adds most)."""
    data: str | None = None
    """Other faces to test on: a path, or `synthetic` (default: the first run's own source)."""
    label_order: LabelOrder = None
    face_masks: str | None = None
    """What those faces wear: `none`, `mixed`, `surgical`, `cloth`, `n95`, …"""
    clean: bool = False
    """Score only the faces without an exact copy in training (FER2013 has hundreds)."""
    store: bool = False
    """Keep with the runs what had to be measured, so that it need not be measured again."""


def evaluate(
    runs: Positional[tuple[Path, ...]],
    /,
    *,
    test: OmitArgPrefixes[EvaluateOptions],
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Accuracy, F1, calibration and per-emotion accuracy of trained runs, with intervals.

    By default on the faces each run kept for it; with --data or --face-masks on other faces. What
    the runs have not stored is measured, and with --store kept with them.

    Example: ferturb evaluate runs/* --ensemble --augmentation flip

    Args:
        runs: Run folders.
    """
    from ferturb.base.config import choose
    from ferturb.evaluation.scores import score_runs
    from ferturb.models.device import prepare_process
    from ferturb.models.test_time import AUGMENTATIONS
    from ferturb.runs.run import finished_runs

    choose("test-time augmentation", test.augmentation, AUGMENTATIONS)
    refused: list[str] = []
    together = test.ensemble or test.choose
    opened = finished_runs(runs, None if together else refused)
    names = [run.folder.resolve().name for run in opened]
    tests = _Tests(test, prepare_process(device), json)
    tested = [tests.pair(run, opened[0].config.dataset) for run in opened]
    validation = [tests.own(run)["validation"] for run in opened] if test.choose else None
    rows = score_runs(names, tested, test.ensemble, validation)
    _show(rows, test, json)
    if refused:
        raise FerturbError(
            f"{len(refused)} of {len(runs)} runs can't be scored; the first: {refused[0]}"
        )


def _show(rows: Sequence[ScoreRow], test: EvaluateOptions, json: bool) -> None:
    """The scores as tables, or as JSON."""
    from ferturb.base.emotions import EMOTIONS
    from ferturb.cli import terminal

    if json:
        terminal.print_json([dataclasses.asdict(row) for row in rows])
        return
    terminal.table(
        f"{test.split}, {test.augmentation} (95 % intervals over faces)",
        ["run", "accuracy %", "macro-F1", "balanced %", "ECE %", "n"],
        [row.cells() for row in rows],
    )
    if test.choose:
        terminal.facts({"chosen on validation": ", ".join(rows[-1].members)})
    terminal.table(
        "accuracy per emotion, %",
        ["run", *EMOTIONS],
        [[row.name, *(f"{100 * v:.1f}" for v in row.per_emotion.values())] for row in rows],
    )


class _Tests:
    """Runs tested as the options say; what they share is read and measured once."""

    def __init__(self, options: EvaluateOptions, device: torch.device, quiet: bool) -> None:
        self.options, self.device, self.quiet = options, device, quiet
        self._faces = lru_cache(maxsize=2)(partial(read_faces, quiet=quiet))
        self._own: dict[Path, dict[str, Pair]] = {}
        self._said: set[str] = set()

    def pair(self, run: Run, first: DatasetConfig) -> Pair:
        """Labels and logits of the faces that the options name; `first` is of the first run."""
        options = self.options
        if options.data is None and options.face_masks is None:
            dataset, pair = run.config.dataset, self.own(run)[options.split]
        else:
            dataset = first
            if options.data is not None:
                dataset = other_faces(options.data, options.label_order)
            masks = None if options.face_masks == "none" else options.face_masks
            dataset = replace(dataset, face_masks=masks)
            pair = self._on(run, dataset)
        return self._uncopied(run, pair, dataset) if options.clean else pair

    def own(self, run: Run) -> dict[str, Pair]:
        """By split, labels and logits of the run's own faces, stored or measured now."""
        from ferturb.cli import terminal
        from ferturb.evaluation.other_data import TESTED, logits_on, measure_own, pair_of

        name, augmentation = run.folder, self.options.augmentation
        if name in self._own:
            return self._own[name]
        try:
            found = {split: logits_on(run, None, split, augmentation) for split in TESTED}
        except KeyError:
            faces = self._faces(run.config.dataset)
            with terminal.working(run.name, self.quiet) as progress:
                arrays = measure_own(
                    run, faces, augmentation, self.device, progress, self.options.store
                )
            found = {split: pair_of(arrays, split, augmentation) for split in TESTED}
        else:
            self._say(run)
        return self._own.setdefault(name, found)

    def _say(self, run: Run) -> None:
        """What the source of a run's faces had to say when it was trained, each note once."""
        from ferturb.cli import terminal

        notes = [n for n in run.record().get("data", {}).get("notes", ()) if n not in self._said]
        self._said.update(notes)
        terminal.notes(notes, terminal.errors)

    def _on(self, run: Run, dataset: DatasetConfig) -> Pair:
        from ferturb.cli import terminal
        from ferturb.evaluation.other_data import altered_name, data_name, measure_on, pair_of

        options, faces = self.options, self._faces(dataset)
        name = altered_name(dataset) if options.data is None else data_name(faces)
        wanted = (options.augmentation,)
        with terminal.working(run.name, self.quiet) as progress:
            arrays = measure_on(run, faces, name, wanted, self.device, progress, options.store)
        return pair_of(arrays, options.split, options.augmentation)

    def _uncopied(self, run: Run, pair: Pair, dataset: DatasetConfig) -> Pair:
        """The faces without an exact copy in training, before anything is done to them."""
        from ferturb.data.audit import copied
        from ferturb.data.faces import SPLITS

        whole = replace(dataset, face_masks=None, left_out=None, left_out_control=False)
        faces, (labels, logits) = self._faces(whole), pair
        kept = ~copied(faces)[faces.splits == SPLITS.index(self.options.split)].numpy()
        if len(kept) != len(labels):
            raise FerturbError(
                f"{run.folder} was tested on {len(labels)} faces of {self.options.split}, and "
                f"{faces.source} has {len(kept)} now; give --data to test it on those"
            )
        return labels[kept], logits[kept]
