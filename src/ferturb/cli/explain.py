"""The verbs about saliency: `ferturb explain` and `ferturb faithfulness`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from ferturb.base.config import FaithfulnessOptions, SaliencyOptions
from ferturb.cli.options import Device, Json, LabelOrder, other_faces, read_faces

if TYPE_CHECKING:
    import torch

    from ferturb.data.faces import Faces
    from ferturb.runs.run import Run

Runs = Annotated[tuple[Path, ...], arg(metavar="RUN...", help="Run folders.")]
Data = Annotated[
    str | None,
    arg(help="Faces to look at: a path, or `synthetic` (default: the first run's own)."),
]
Threads = Annotated[int | None, arg(help="Threads of torch.")]


def explain(
    runs: Positional[Runs],
    /,
    *,
    saliency: OmitArgPrefixes[SaliencyOptions],
    data: Data = None,
    label_order: LabelOrder = None,
    out: Path | None = None,
    threads: Threads = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Where on the face models look: saliency, and its mass on each facial feature, by emotion.

    The table shows the share of the saliency on a feature over the feature's share of the pixels:
    1 is no more than its pixels are due. What was found is kept in the run folders for the report.

    Example: ferturb explain runs/vgg16-* --method integrated-gradients --out saliency

    Args:
        out: Folder for a figure of faces with their saliency, and the tables as CSV and LaTeX.
    """
    from ferturb.base.storage import require_folder
    from ferturb.cli import terminal
    from ferturb.evaluation.saliency.mass import explain_run, mass_by_emotion
    from ferturb.report.form.files import write_items
    from ferturb.report.run_results import read_run, run_names
    from ferturb.report.saliency.explain import explain_figure
    from ferturb.report.saliency.section import COLUMNS, enrichment_rows, mass_items

    if out is not None:
        require_folder(out)
    opened, source, chosen = _open(runs, data, label_order, device, threads, json)
    method, split = saliency.method, saliency.split
    found = {}
    for name, run in zip(run_names(opened), opened, strict=True):
        with terminal.working(f"{run.name}: {method}", json) as bar:
            found[name, method] = explain_run(run, source, saliency, device=chosen, on_progress=bar)
    mass = {run.name: mass_by_emotion(one) for run, one in zip(opened, found.values(), strict=True)}
    if out is not None:
        results = [read_run(run) for run in opened]
        picture = explain_figure(results, source, method, split, saliency.seed)
        files = write_items([picture, *mass_items(found)], out)
    if json:
        rows = {name: [dataclasses.asdict(m) for m in own] for name, own in mass.items()}
        terminal.print_json({"method": method, "split": split, "mass": rows})
        return
    for name, own in mass.items():
        title = f"{name}: {method}, mass over area ({split}, {own[0].n} faces)"
        terminal.table(title, ["feature", *COLUMNS], enrichment_rows(own))
    for run, one in zip(opened, found.values(), strict=True):
        if one.record["silent"]:
            said = f"{one.record['silent']} of {len(one.labels)} faces, counted as mass everywhere"
            terminal.facts({"no map": f"{run.name}: {said}"})
    if out is not None:
        terminal.facts({"written": ", ".join(map(str, files))})


def faithfulness(
    runs: Positional[Runs],
    /,
    *,
    benchmark: OmitArgPrefixes[FaithfulnessOptions],
    data: Data = None,
    label_order: LabelOrder = None,
    out: Path | None = None,
    threads: Threads = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Whether saliency maps are true: curves, pointing, randomised weights, and planted features.

    Beside the methods stand two maps that know nothing of the model, `random` and `centre`. On the
    synthetic faces, where it is known which facial features carry which emotion, it also says how
    often a method names one of them. What was found is kept in the run folders for the report.

    Example: ferturb faithfulness runs/compact-baseline-fast-s0-1a2b3c --methods grad-cam rise

    Args:
        out: Folder for the curves, and the table as CSV and LaTeX.
    """
    from ferturb.base.storage import require_folder
    from ferturb.cli import terminal
    from ferturb.evaluation.saliency.benchmark import benchmark_saliency, summarise
    from ferturb.report.form.files import write_items
    from ferturb.report.run_results import run_names
    from ferturb.report.saliency.faithfulness import TERMINAL, judged_items, terminal_row

    if out is not None:
        require_folder(out)
    opened, source, chosen = _open(runs, data, label_order, device, threads, json)
    found = {}
    for name, run in zip(run_names(opened), opened, strict=True):
        with terminal.working(f"{run.name}: faithfulness", json) as bar:
            found[name] = benchmark_saliency(run, source, benchmark, device=chosen, on_progress=bar)
    rows = {run.name: summarise(one) for run, one in zip(opened, found.values(), strict=True)}
    files = write_items(judged_items(found), out) if out is not None else []
    if json:
        terminal.print_json({k: [dataclasses.asdict(r) for r in own] for k, own in rows.items()})
        return
    for name, own in rows.items():
        title = f"{name} ({benchmark.split}, {own[0].n} faces, filled: {benchmark.fill})"
        terminal.table(title, TERMINAL, [terminal_row(row) for row in own])
    if files:
        terminal.facts({"written": ", ".join(map(str, files))})


def _open(
    folders: tuple[Path, ...],
    data: str | None,
    label_order: str | None,
    device: str,
    threads: int | None,
    quiet: bool,
) -> tuple[list[Run], Faces, torch.device]:
    """The runs, the faces to look at them with, and the device."""
    from ferturb.models.device import prepare_process
    from ferturb.runs.run import finished_runs

    chosen = prepare_process(device, threads)
    runs = finished_runs(folders)
    config = runs[0].config.dataset if data is None else other_faces(data, label_order)
    return runs, read_faces(config, quiet), chosen
