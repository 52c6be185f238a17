"""The verb `ferturb ablate`: what a model loses with each facial feature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg
from tyro.extras import SubcommandApp

from ferturb.base.config import DatasetConfig
from ferturb.cli.options import Device, Json, absolute, read_faces


def register(app: SubcommandApp) -> None:
    """Add this verb to the command line."""
    app.command(ablate)


def ablate(
    run: Positional[Annotated[Path, arg(metavar="RUN")]],
    /,
    *,
    data: str | None = None,
    split: Literal["validation", "test"] = "test",
    fill: str = "mean",
    features: tuple[str, ...] = (),
    controls: int = 4,
    augmentation: str = "none",
    seed: int = 0,
    precision: Literal["float32", "bfloat16", "auto"] = "float32",
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
        split: `validation` to choose on, `test` to report.
        fill: What stands in a feature's place: `black`, `mean`, `blur`, `noise` or `inpaint`.
        features: In place of all facial features.
        controls: Random regions per face and feature; 0 saves most of the time.
        augmentation: Test-time augmentation: `none`, `flip`, `zoom` or `ten-crop`.
        seed: Of the random regions and the noise.
        precision: `bfloat16` is up to twice as fast where the processor computes in it.
        threads: Threads of torch.
        device: `cpu`, `cuda`, …
        json: Print every cell as JSON in place of the table.
        out: Folder for the heatmaps, and the tables as CSV and LaTeX.
    """
    from ferturb.cli import terminal
    from ferturb.evaluation.ablation.matrix import MEASURES, matrix, to_dict
    from ferturb.evaluation.ablation.measure import ablate_run
    from ferturb.models.device import prepare_process
    from ferturb.report.ablation.section import run_items, terminal_tables
    from ferturb.report.form.files import write_items
    from ferturb.runs.run import Run

    opened, chosen = Run.open(run), prepare_process(device, threads)
    dataset = opened.config.dataset if data is None else DatasetConfig(absolute(data))
    faces = read_faces(dataset, quiet=json)
    with terminal.working("leaving features out", json) as progress:
        ablation = ablate_run(
            opened,
            faces,
            split=split,
            fill=fill,
            features=features or None,
            controls=controls,
            seed=seed,
            augmentation=augmentation,
            precision=precision,
            device=chosen,
            on_progress=progress,
        )
    cells = {measure: matrix(ablation, measure) for measure in MEASURES}
    files = write_items(run_items(opened, ablation), out) if out is not None else []
    if json:
        terminal.print_json([to_dict(cell) for found in cells.values() for cell in found])
        return
    where = f"{split}, {len(ablation.labels):,} faces, filled: {fill}"
    for title, headings, rows in terminal_tables(cells["accuracy"]):
        terminal.table(f"{title} ({where})", headings, rows)
    if files:
        terminal.facts({"written": ", ".join(map(str, files))})
