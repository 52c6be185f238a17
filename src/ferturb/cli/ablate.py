"""The verb `ferturb ablate`: what a model loses with each facial feature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from ferturb.base.config import AblationOptions
from ferturb.cli.options import Device, Json, LabelOrder, other_faces, read_faces


def ablate(
    run: Positional[Annotated[Path, arg(metavar="RUN")]],
    /,
    *,
    ablation: OmitArgPrefixes[AblationOptions],
    data: str | None = None,
    label_order: LabelOrder = None,
    threads: int | None = None,
    device: Device = "cpu",
    json: Json = False,
    out: Path | None = None,
) -> None:
    """Leave each facial feature out of the faces at test time and see what the model loses.

    For each feature and emotion: the change of accuracy, in points, and the change when as many
    pixels are left out at random in the same face. A star marks what is significantly worse than
    that, after Holm's correction for all cells. What was measured of each face is kept in the run
    folder.

    Example: ferturb ablate runs/compact-baseline-fast-s0-1a2b3c --fill blur --out ablation

    Args:
        run: A run folder.
        data: A path, or `synthetic` (default: the faces the run was trained on).
        threads: Threads of torch.
        out: Folder for the heatmaps, and the tables as CSV and LaTeX.
    """
    from ferturb.base.storage import require_folder
    from ferturb.cli import terminal
    from ferturb.evaluation.ablation.matrix import MEASURES, matrix, to_dict
    from ferturb.evaluation.ablation.measure import ablate_run
    from ferturb.models.device import prepare_process
    from ferturb.report.ablation.section import run_items, terminal_tables
    from ferturb.report.form.files import write_items
    from ferturb.runs.run import Run

    if out is not None:
        require_folder(out)
    chosen, opened = prepare_process(device, threads), Run.open(run).require_done()
    dataset = opened.config.dataset if data is None else other_faces(data, label_order)
    faces = read_faces(dataset, quiet=json)
    with terminal.working("leaving features out", json) as progress:
        measured = ablate_run(opened, faces, ablation, device=chosen, on_progress=progress)
    cells = {measure: matrix(measured, measure) for measure in MEASURES}
    files = write_items(run_items(opened, measured), out) if out is not None else []
    if json:
        terminal.print_json([to_dict(cell) for found in cells.values() for cell in found])
        return
    where = f"{ablation.split}, {len(measured.labels):,} faces, filled: {ablation.fill}"
    for title, headings, rows in terminal_tables(cells["accuracy"]):
        terminal.table(f"{title} ({where})", headings, rows)
    if files:
        terminal.facts({"written": ", ".join(map(str, files))})
