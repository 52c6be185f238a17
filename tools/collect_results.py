"""Write one row of results per finished run: `collect_results.py DATA OUT.csv RUNS…`.

    python tools/collect_results.py fer2013.zip results/fer2013_runs.csv runs

RUNS are folders of run folders (as `ferturb train --out` or `ferturb study` leaves them). Both
splits, plain and with flip, with 95 % bootstrap intervals over the faces, and the test split
without the faces that have an exact copy in training; minutes are the training's own, `threads` is
what it had of the machine. Runs on altered faces (MaskFer) are left out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jaxtyping import Bool

from ferturb.base.arrays import Booleans
from ferturb.base.config import DatasetConfig
from ferturb.base.storage import write_rows
from ferturb.data.audit import copied
from ferturb.data.faces import SPLITS
from ferturb.data.sources import load_faces
from ferturb.evaluation.scores import score
from ferturb.runs.run import Run, find_runs


def row(run: Run, kept: Bool[Booleans, " n"]) -> dict[str, object]:
    c, record = run.config, run.record()
    out: dict[str, object] = {
        "model": c.model.name,
        "method": c.method.name,
        "views": c.method.views if c.method.name == "perturb" else "",
        "recipe": c.recipe.name,
        "epochs": record["epochs"],
        "sizes": " ".join(f"{size}px<={share:g}" for share, size in c.recipe.progressive_sizes),
        "seed": c.seed,
        "learning_rate": c.recipe.learning_rate,
        "starts_from": Path(c.initial_weights or c.evaluates or "").name,
        "teachers": " ".join(Path(teacher).name for teacher in c.teachers),
        "run": run.name,
        "best_epoch": record["best_epoch"],
        "parameters": record["parameters"],
    }
    for split in ("validation", "test"):
        for augmentation in run.augmentations():
            scores = score(run.name, *run.logits(split, augmentation))
            name = f"{split}_{augmentation}"
            out[f"{name}_accuracy"] = f"{scores.accuracy.estimate:.4f}"
            out[f"{name}_low"] = f"{scores.accuracy.low:.4f}"
            out[f"{name}_high"] = f"{scores.accuracy.high:.4f}"
            out[f"{name}_macro_f1"] = f"{scores.macro_f1.estimate:.4f}"
    labels, logits = run.logits("test", run.augmentations()[-1])
    scores = score(run.name, labels[kept], logits[kept])
    out["test_without_copies_n"] = scores.n
    out["test_without_copies_accuracy"] = f"{scores.accuracy.estimate:.4f}"
    out["test_without_copies_low"] = f"{scores.accuracy.low:.4f}"
    out["test_without_copies_high"] = f"{scores.accuracy.high:.4f}"
    hardware = record["hardware"]
    return out | {
        "minutes": f"{record['seconds'] / 60:.1f}",
        "processor": hardware["processor"],
        "threads": hardware["threads"],
        "precision": hardware["precision"],
        "commit": (record.get("commit") or "")[:12],
        "data_hash": record["data"]["hash"][:12],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of run folders")
    options = parser.parse_args()
    faces = load_faces(DatasetConfig(str(options.data.absolute())))
    kept = ~copied(faces)[faces.splits == SPLITS.index("test")].numpy()
    runs = [run for folder in options.runs for run in find_runs(folder) if run.done]
    rows = [row(run, kept) for run in runs if not run.config.dataset.altered]
    if not rows:
        sys.exit(f"no finished runs below {', '.join(map(str, options.runs))}")
    rows.sort(key=lambda r: (str(r["model"]), str(r["method"]), r["epochs"]))
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
