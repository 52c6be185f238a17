"""The verb `ferturb ablate`: what a model loses with each facial feature."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import OmitArgPrefixes

from ferturb.base.config import AblationOptions
from ferturb.cli.models import Model, ModelOptions, faces_for, open_model
from ferturb.cli.options import Computing, Json, LabelOrder, read_faces


def ablate(
    model: Model,
    /,
    *,
    ablation: OmitArgPrefixes[AblationOptions],
    form: OmitArgPrefixes[ModelOptions],
    computing: OmitArgPrefixes[Computing],
    data: str | None = None,
    label_order: LabelOrder = None,
    json: Json = False,
    out: Path | None = None,
) -> None:
    """Leave each facial feature out of the faces at test time and see what the model loses.

    For each feature and emotion: the change of accuracy, in points, and the change when as many
    pixels are left out at random in the same face. A star marks what is significantly worse than
    that, after Holm's correction for all cells. What was measured of each face is kept in the run
    folder, where the model is a run.

    Example: ferturb ablate runs/compact-baseline-fast-s0-1a2b3c --fill blur --out ablation

    Example: ferturb ablate model.onnx --classes affectnet --data fer2013.zip

    Args:
        data: A path, or `synthetic` (default: the faces a run was trained on).
        out: Folder for a page, the heatmaps, and the tables as CSV and LaTeX.
    """
    from ferturb.base.storage import require_folder
    from ferturb.cli import terminal
    from ferturb.evaluation.ablation.matrix import MEASURES, matrix, to_dict
    from ferturb.evaluation.ablation.measure import ablate_faces, ablate_run
    from ferturb.report.ablation.section import model_items, run_items, terminal_tables
    from ferturb.report.form.models_page import write_page
    from ferturb.report.model_pages import page_of
    from ferturb.runs.run import Run

    if out is not None:
        require_folder(out)
    chosen = computing.prepare()
    opened = open_model(model, form)
    faces = read_faces(faces_for([opened], data, label_order), quiet=json)
    with terminal.working("leaving features out", json) as bar:
        if isinstance(opened, Run):
            measured = ablate_run(opened, faces, ablation, device=chosen, on_progress=bar)
            items = run_items(opened, measured)
        else:
            measured = ablate_faces(opened, faces, ablation, device=chosen, on_progress=bar)
            items = model_items(opened.name, measured, opened.name)
    cells = {measure: matrix(measured, measure) for measure in MEASURES}
    page = page_of("Which facial features it needs", [opened], measured.record, items)
    files = write_page(page, out) if out is not None else []
    if json:
        terminal.print_json([to_dict(cell) for found in cells.values() for cell in found])
        return
    where = f"{ablation.split}, {len(measured.labels):,} faces, filled: {ablation.fill}"
    for title, headings, rows in terminal_tables(cells["accuracy"]):
        terminal.table(f"{title} ({where})", headings, rows)
    if files:
        terminal.facts({"written": ", ".join(map(str, files))})
