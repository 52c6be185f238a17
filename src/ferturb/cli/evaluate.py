"""The verb `ferturb evaluate`: runs scored, on their own faces or on others, and other models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes

from ferturb.base.errors import FerturbError
from ferturb.base.text import printable
from ferturb.cli.models import ModelOptions, Models, faces_for, open_models, titles_of
from ferturb.cli.options import Device, Head, Json, LabelOrder

if TYPE_CHECKING:
    from ferturb.cli.tested import Tests
    from ferturb.evaluation.listed import ListedRow
    from ferturb.evaluation.scores import ScoreRow
    from ferturb.evaluation.votes import VoteMetrics
    from ferturb.models.wrapped import Wrapped
    from ferturb.runs.run import Run


@dataclass(frozen=True)
class EvaluateOptions:
    """What models are tested on, and which rows come out."""

    split: Literal["validation", "test"] = "test"
    """`validation` to choose on, `test` to report."""
    augmentation: str = "flip"
    """Test-time augmentation: `none`, `flip`, `zoom` (three sizes, each mirrored) or `ten-crop`;
    what a run has not stored is measured."""
    ensemble: bool = False
    """Also score the sum of all models' logits."""
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
    head: Head | None = None
    """Which head answers, of a run's network with two (default: its first)."""
    votes: Path | None = None
    """fer2013new.csv: also score by the votes of ten people (default: where the runs had them)."""
    faces: Path | None = None
    """A list of FER+ faces that are really occluded or turned away, in its published form: score
    these, by type, against the others of the split."""
    store: bool = False
    """Keep with runs what had to be measured, so that it need not be measured again."""


def evaluate(
    models: Models,
    /,
    *,
    test: OmitArgPrefixes[EvaluateOptions],
    form: OmitArgPrefixes[ModelOptions],
    device: Device = "cpu",
    json: Json = False,
    out: Path | None = None,
) -> None:
    """Accuracy, F1, calibration and per-emotion accuracy of models, with intervals.

    By default on the faces each run kept for it; with --data or --face-masks on other faces, and
    so for models that are not runs. What the runs have not stored is measured, and with --store
    kept with them. By votes, FER+ % counts contempt as an error; cross-entropy, Brier score and
    ECE are against the shares of the people.

    Example: ferturb evaluate runs/* --ensemble --augmentation flip

    Example: ferturb evaluate clean model.py:predict --classes affectnet --data fer2013.zip

    Args:
        out: Folder for a page, and the tables as CSV and LaTeX.
    """
    from ferturb.base.config import choose
    from ferturb.cli.tested import Tests
    from ferturb.evaluation.scores import score_runs
    from ferturb.models.device import prepare_process
    from ferturb.models.test_time import AUGMENTATIONS
    from ferturb.runs.run import Run

    choose("test-time augmentation", test.augmentation, AUGMENTATIONS)
    _require(out, test)
    refused: list[str] = []
    together = test.ensemble or test.choose
    opened = open_models(models, form, None if together else refused)
    if any(not isinstance(one, Run) for one in opened) and (test.head or test.store):
        raise FerturbError("--head and --store are of runs alone; leave them out")
    names = titles_of(opened)
    first = faces_for(opened, test.data, test.label_order)
    tests = Tests(test, first, prepare_process(device), json)
    tested = [tests.pair(one) for one in opened]
    if test.faces is not None:
        _listed(tests, dict(zip(names, opened, strict=True)), json)
    else:
        people = [tests.people(one, pair) for one, pair in zip(opened, tested, strict=True)]
        validation = [tests.validation(one) for one in opened] if test.choose else None
        rows = score_runs(names, tested, test.ensemble, validation)
        _show(rows, people, [tests.called_masked(one) for one in opened], test, json)
        if out is not None:
            _write(opened, rows, test, first.source, out)
    if refused:
        raise FerturbError(
            f"{len(refused)} of {len(models)} models can't be scored; the first: {refused[0]}"
        )


def _show(
    rows: Sequence[ScoreRow],
    people: Sequence[VoteMetrics | None],
    masked: Sequence[float | None],
    test: EvaluateOptions,
    json: bool,
) -> None:
    """The scores as tables, or as JSON; `people` are those of the first rows, the runs, and so is
    `masked`, the share of the faces that mask detectors call masked."""
    from ferturb.base.emotions import EMOTIONS
    from ferturb.cli import terminal

    voted = [*people, *[None] * (len(rows) - len(people))]
    if json:
        kept = [None if found is None else dataclasses.asdict(found) for found in voted]
        called = [{} if share is None else {"called_masked": share} for share in masked]
        called += [{}] * (len(rows) - len(called))
        scored = zip(rows, kept, called, strict=True)
        terminal.print_json([dataclasses.asdict(r) | {"votes": v} | c for r, v, c in scored])
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
    pairs = zip(rows, masked, strict=False)
    terminal.facts(
        {f"{r.name} calls masked": terminal.share(m, 1) for r, m in pairs if m is not None}
    )
    if any(people):
        terminal.table(
            "by the votes of ten people (FER+)",
            ["run", "FER+ %", "of seven %", "balanced %", "cross-entropy", "Brier", "ECE %", "n"],
            [[r.name, *found.cells()] for r, found in zip(rows, voted, strict=True) if found],
        )


def _require(out: Path | None, test: EvaluateOptions) -> None:
    """`FerturbError`, before the work, for what goes with --faces not, and a page that can't be
    written."""
    from ferturb.base.storage import require_folder

    sums = ["--ensemble"] * test.ensemble + ["--choose"] * test.choose
    if test.faces is not None and sums:
        raise FerturbError(f"--faces scores each model by itself; leave {', '.join(sums)} out")
    if out is not None:
        require_folder(out)
        if test.faces is not None:
            raise FerturbError("--out writes scores, and --faces gives none; leave one out")


def _write(
    models: Sequence[Run | Wrapped],
    rows: Sequence[ScoreRow],
    test: EvaluateOptions,
    source: str,
    out: Path,
) -> None:
    """The page, and its tables beside it."""
    from ferturb.cli import terminal
    from ferturb.report.form.models_page import write_page
    from ferturb.report.model_pages import page_of, score_items

    data = {"source": Path(test.data or source).name}
    record = {"split": test.split, "augmentation": test.augmentation, "data": data}
    files = write_page(page_of("Scores", models, record, score_items(rows)), out)
    said = printable(f"written: {', '.join(map(str, files))}")
    terminal.errors.print(said, markup=False, soft_wrap=True)


def _listed(tests: Tests, models: Mapping[str, Run | Wrapped], json: bool) -> None:
    """Listed faces against the others."""
    from ferturb.cli import terminal
    from ferturb.data.face_lists import read_face_list
    from ferturb.evaluation.listed import score_listed

    assert tests.options.faces is not None
    wanted = read_face_list(tests.options.faces)
    rows: list[ListedRow] = []
    for name, one in models.items():
        faces = tests.tested_faces(one)
        votes = None if faces.votes is None else faces.votes.numpy()
        rows += score_listed(name, faces, tests.pair(one)[1], wanted, votes)
    if json:
        terminal.print_json([dataclasses.asdict(row) for row in rows])
        return
    title = f"{tests.options.faces.name} in {tests.options.split} (contempt counts as an error)"
    columns = ["run", "faces", "accuracy %", "n"]
    terminal.table(title, columns, [row.cells() for row in rows])
