"""The verbs about saliency: `ferturb explain` and `ferturb faithfulness`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import OmitArgPrefixes, arg

from ferturb.base.config import FaithfulnessOptions, SaliencyOptions
from ferturb.cli.models import ModelOptions, Models, faces_for, open_models, titles_of
from ferturb.cli.options import Computing, Json, LabelOrder, read_faces

if TYPE_CHECKING:
    import torch

    from ferturb.data.faces import Faces
    from ferturb.evaluation.saliency.mass import Explanation
    from ferturb.models.wrapped import Wrapped
    from ferturb.report.form.style import Picture
    from ferturb.report.form.tables import Table
    from ferturb.runs.run import Run

Data = Annotated[
    str | None,
    arg(help="Faces to look at: a path, or `synthetic` (default: the first run's own)."),
]


def explain(
    models: Models,
    /,
    *,
    saliency: OmitArgPrefixes[SaliencyOptions],
    form: OmitArgPrefixes[ModelOptions],
    computing: OmitArgPrefixes[Computing],
    data: Data = None,
    label_order: LabelOrder = None,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Where on the face models look: saliency, and its mass on each facial feature, by emotion.

    The table shows the share of the saliency on a feature over the feature's share of the pixels:
    1 is no more than its pixels are due. What was found of runs is kept in their folders for the
    report. Of a model that can only be asked (ONNX, a function): --method occlusion or rise.

    Example: ferturb explain runs/vgg16-* --method integrated-gradients --out saliency

    Example: ferturb explain model.onnx --classes affectnet --method rise --data fer2013.zip

    Args:
        out: Folder for a page, a figure of faces with their saliency, and the tables as CSV and
            LaTeX.
    """
    from ferturb.base.storage import require_folder
    from ferturb.cli import terminal
    from ferturb.evaluation.saliency.mass import mass_by_emotion
    from ferturb.report.run_results import read_run
    from ferturb.report.saliency.explain import explain_figure, model_names
    from ferturb.report.saliency.section import COLUMNS, enrichment_rows, mass_items
    from ferturb.runs.run import Run

    if out is not None:
        require_folder(out)
    opened, source, chosen = _open(models, form, data, label_order, computing, json)
    method, split = saliency.method, saliency.split
    named = zip(model_names(opened), opened, strict=True)
    found = {(n, method): _explained(one, source, saliency, chosen, json) for n, one in named}
    names = titles_of(opened)
    mass = dict(zip(names, map(mass_by_emotion, found.values()), strict=True))
    if out is not None:
        results = [read_run(one) if isinstance(one, Run) else one for one in opened]
        picture = explain_figure(results, source, method, split, saliency.seed)
        items = [picture, *mass_items(found)]
        files = _written("Where on the face it looks", opened, found, items, out)
    if json:
        rows = {name: [dataclasses.asdict(m) for m in own] for name, own in mass.items()}
        terminal.print_json({"method": method, "split": split, "mass": rows})
        return
    for name, own in mass.items():
        title = f"{name}: {method}, mass over area ({split}, {own[0].n} faces)"
        terminal.table(title, ["feature", *COLUMNS], enrichment_rows(own))
    for name, looked in zip(names, found.values(), strict=True):
        if silent := looked.record["silent"]:
            said = f"{silent} of {len(looked.labels)} faces, counted as mass everywhere"
            terminal.facts({"no map": f"{name}: {said}"})
    if out is not None:
        terminal.facts({"written": ", ".join(map(str, files))})


def faithfulness(
    models: Models,
    /,
    *,
    benchmark: OmitArgPrefixes[FaithfulnessOptions],
    form: OmitArgPrefixes[ModelOptions],
    computing: OmitArgPrefixes[Computing],
    data: Data = None,
    label_order: LabelOrder = None,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Whether saliency maps are true: curves, pointing, randomised weights, and planted features.

    Beside the methods stand two maps that know nothing of the model, `random` and `centre`. On the
    synthetic faces, where it is known which facial features carry which emotion, it also says how
    often a method names one of them. What was found of runs is kept in their folders for the
    report.

    Example: ferturb faithfulness runs/compact-baseline-fast-s0-1a2b3c --methods grad-cam rise

    Args:
        out: Folder for a page, the curves, and the table as CSV and LaTeX.
    """
    from ferturb.base.storage import require_folder
    from ferturb.cli import terminal
    from ferturb.evaluation.saliency.benchmark import (
        benchmark_methods,
        benchmark_saliency,
        summarise,
    )
    from ferturb.report.saliency.explain import model_names
    from ferturb.report.saliency.faithfulness import TERMINAL, judged_items, terminal_row
    from ferturb.runs.run import Run

    if out is not None:
        require_folder(out)
    opened, source, chosen = _open(models, form, data, label_order, computing, json)
    found = {}
    for name, one in zip(model_names(opened), opened, strict=True):
        with terminal.working(f"{one.name}: faithfulness", json) as bar:
            if isinstance(one, Run):
                scored = benchmark_saliency(one, source, benchmark, device=chosen, on_progress=bar)
            else:
                scored = benchmark_methods(one, source, benchmark, device=chosen, on_progress=bar)
        found[name] = scored
    rows = dict(zip(titles_of(opened), map(summarise, found.values()), strict=True))
    items, title = judged_items(found), "Whether saliency maps are true"
    files = _written(title, opened, found, items, out) if out is not None else []
    if json:
        terminal.print_json({k: [dataclasses.asdict(r) for r in own] for k, own in rows.items()})
        return
    for name, own in rows.items():
        title = f"{name} ({benchmark.split}, {own[0].n} faces, filled: {benchmark.fill})"
        terminal.table(title, TERMINAL, [terminal_row(row) for row in own])
    if files:
        terminal.facts({"written": ", ".join(map(str, files))})


def _written(
    title: str,
    models: list[Run | Wrapped],
    found: Mapping[Any, Any],
    items: Sequence[Table | Picture],
    out: Path,
) -> list[Path]:
    """The page of what was found of some models, and its files."""
    from ferturb.report.form.models_page import write_page
    from ferturb.report.model_pages import page_of

    return write_page(page_of(title, models, next(iter(found.values())).record, items), out)


def _open(
    texts: tuple[str, ...],
    form: ModelOptions,
    data: str | None,
    label_order: str | None,
    computing: Computing,
    quiet: bool,
) -> tuple[list[Run | Wrapped], Faces, torch.device]:
    """The models, the faces to look at them with, and the device."""
    chosen = computing.prepare()
    models = open_models(texts, form)
    return models, read_faces(faces_for(models, data, label_order), quiet), chosen


def _explained(
    one: Run | Wrapped,
    faces: Faces,
    options: SaliencyOptions,
    device: torch.device,
    quiet: bool,
) -> Explanation:
    """One model explained; kept with it if it is a run."""
    from ferturb.cli import terminal
    from ferturb.evaluation.saliency.mass import explain, explain_run
    from ferturb.runs.run import Run

    with terminal.working(f"{one.name}: {options.method}", quiet) as bar:
        if isinstance(one, Run):
            return explain_run(one, faces, options, device=device, on_progress=bar)
        return explain(one, faces, options, device=device, on_progress=bar)
