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

    from ferturb.data.faces import Faces
    from ferturb.evaluation.other_data import Pair
    from ferturb.evaluation.scores import ScoreRow
    from ferturb.evaluation.votes import VoteMetrics
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
    head: Literal["label", "votes"] | None = None
    """Which head answers, of a network with two (default: its first)."""
    votes: Path | None = None
    """fer2013new.csv: also score by the votes of ten people (default: where the runs had them)."""
    faces: Path | None = None
    """A list of FER+ faces that are really occluded or turned away, in its published form: score
    these, by type, against the others of the split."""
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
    the runs have not stored is measured, and with --store kept with them. By votes, FER+ % counts
    contempt as an error; cross-entropy, Brier score and ECE are against the shares of the people.

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
    first = opened[0].config.dataset
    tested = [tests.pair(run, first) for run in opened]
    if test.faces is not None:
        _listed(tests, opened, first, json)
    else:
        people = [tests.people(run, first, p) for run, p in zip(opened, tested, strict=True)]
        validation = [tests.own(run)["validation"] for run in opened] if test.choose else None
        rows = score_runs(names, tested, test.ensemble, validation)
        _show(rows, people, test, json)
    if refused:
        raise FerturbError(
            f"{len(refused)} of {len(runs)} runs can't be scored; the first: {refused[0]}"
        )


def _show(
    rows: Sequence[ScoreRow],
    people: Sequence[VoteMetrics | None],
    test: EvaluateOptions,
    json: bool,
) -> None:
    """The scores as tables, or as JSON; `people` are those of the first rows, the runs."""
    from ferturb.base.emotions import EMOTIONS
    from ferturb.cli import terminal

    voted = [*people, *[None] * (len(rows) - len(people))]
    if json:
        kept = [None if found is None else dataclasses.asdict(found) for found in voted]
        scored = zip(rows, kept, strict=True)
        terminal.print_json([dataclasses.asdict(row) | {"votes": votes} for row, votes in scored])
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
    if any(people):
        terminal.table(
            "by the votes of ten people (FER+)",
            ["run", "FER+ %", "of seven %", "balanced %", "cross-entropy", "Brier", "ECE %", "n"],
            [[r.name, *found.cells()] for r, found in zip(rows, voted, strict=True) if found],
        )


def _listed(tests: _Tests, runs: list[Run], first: DatasetConfig, json: bool) -> None:
    """Listed faces against the others."""
    from ferturb.cli import terminal
    from ferturb.data.face_lists import read_face_list
    from ferturb.evaluation.listed import score_listed

    assert tests.options.faces is not None
    wanted, rows = read_face_list(tests.options.faces), []
    for run in runs:
        faces = tests.tested_faces(run, first)
        votes = None if faces.votes is None else faces.votes.numpy()
        rows += score_listed(run.name, faces, tests.pair(run, first)[1], wanted, votes)
    if json:
        terminal.print_json([dataclasses.asdict(row) for row in rows])
        return
    title = f"{tests.options.faces.name} in {tests.options.split} (contempt counts as an error)"
    columns = ["run", "faces", "accuracy %", "n"]
    terminal.table(title, columns, [row.cells() for row in rows])


class _Tests:
    """Runs tested as the options say; what they share is read and measured once."""

    def __init__(self, options: EvaluateOptions, device: torch.device, quiet: bool) -> None:
        self.options, self.device, self.quiet = options, device, quiet
        self._faces = lru_cache(maxsize=2)(partial(read_faces, quiet=quiet))
        self._own: dict[Path, dict[str, Pair]] = {}
        self._said: set[str] = set()

    def pair(self, run: Run, first: DatasetConfig) -> Pair:
        """Labels and logits of the faces that the options name; `first` is of the first run."""
        dataset = self._dataset(run, first)
        own = self.options.data is None and self.options.face_masks is None
        pair = self.own(run)[self.options.split] if own else self._on(run, dataset)
        if not self.options.clean:
            return pair
        kept = self._uncopied(run, len(pair[0]), dataset).numpy()
        return pair[0][kept], pair[1][kept]

    def _dataset(self, run: Run, first: DatasetConfig) -> DatasetConfig:
        options = self.options
        if options.data is None and options.face_masks is None:
            return run.config.dataset
        dataset = first
        if options.data is not None:
            dataset = other_faces(options.data, options.label_order)
        masks = None if options.face_masks == "none" else options.face_masks
        return replace(dataset, face_masks=masks)

    def tested_faces(self, run: Run, first: DatasetConfig) -> Faces:
        """The faces that `pair` is of, with votes where --votes or the run has them."""
        options, dataset = self.options, self._dataset(run, first)
        votes = dataset.votes if options.votes is None else str(options.votes)
        faces = self._faces(replace(dataset, votes=votes)).split(options.split)
        if not options.clean:
            return faces
        return faces.select(self._uncopied(run, len(faces), dataset).nonzero().flatten())

    def people(self, run: Run, first: DatasetConfig, pair: Pair) -> VoteMetrics | None:
        """What a run scores by votes; None without them."""
        from ferturb.evaluation.votes import against_votes

        if self.options.votes is None and self._dataset(run, first).votes is None:
            return None
        votes = self.tested_faces(run, first).votes
        return None if votes is None else against_votes(votes.numpy(), pair[1])

    def own(self, run: Run) -> dict[str, Pair]:
        """By split, labels and logits of the run's own faces, stored or measured now."""
        from ferturb.cli import terminal
        from ferturb.evaluation.other_data import TESTED, logits_on, measure_own, pair_of

        options, name, augmentation = self.options, run.folder, self.options.augmentation
        if name in self._own:
            return self._own[name]
        try:
            found = {s: logits_on(run, None, s, augmentation, options.head) for s in TESTED}
        except KeyError:
            faces = self._faces(run.config.dataset)
            with terminal.working(run.name, self.quiet) as progress:
                arrays = measure_own(
                    run, faces, augmentation, self.device, progress, options.store, options.head
                )
            prefix = run.config.model.prefix(options.head)
            found = {split: pair_of(arrays, split, augmentation, prefix) for split in TESTED}
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
            arrays = measure_on(
                run, faces, name, wanted, self.device, progress, options.store, options.head
            )
        prefix = run.config.model.prefix(options.head)
        return pair_of(arrays, options.split, options.augmentation, prefix)

    def _uncopied(self, run: Run, tested: int, dataset: DatasetConfig) -> torch.Tensor:
        """Which faces have no exact copy in training, before anything is done to them."""
        from ferturb.data.audit import copied
        from ferturb.data.faces import SPLITS

        whole = replace(dataset, face_masks=None, left_out=None, left_out_control=False)
        faces = self._faces(whole)
        kept = ~copied(faces)[faces.splits == SPLITS.index(self.options.split)]
        if len(kept) != tested:
            raise FerturbError(
                f"{run.folder} was tested on {tested} faces of {self.options.split}, and "
                f"{faces.source} has {len(kept)} now; give --data to test it on those"
            )
        return kept
