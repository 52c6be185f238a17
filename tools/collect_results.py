"""Write one row of results per finished run: `python tools/collect_results.py RUNS OUT.csv`.

RUNS is a folder of run folders (as `ferturb train --out` or `ferturb study` leaves them). Both
splits, plain and with flip, with 95 % bootstrap intervals over the faces; minutes are the
training's own, `threads` is what it had of the machine.
"""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

from ferturb.evaluation.judge import judge
from ferturb.runs import Run, find_runs
from ferturb.storage import write_text


def row(run: Run) -> dict[str, object]:
    c, record = run.config, run.record()
    out: dict[str, object] = {
        "model": c.model.name,
        "method": c.method.name,
        "views": c.method.views if c.method.name == "perturb" else "",
        "recipe": c.recipe.name,
        "epochs": record["epochs"],
        "sizes": " ".join(f"{size}px<={share:g}" for share, size in c.recipe.sizes),
        "seed": c.seed,
        "best_epoch": record["best_epoch"],
        "parameters": record["parameters"],
    }
    for split in ("validation", "test"):
        for augmentation in run.augmentations():
            judged = judge(run.name, *run.logits(split, augmentation))
            name = f"{split}_{augmentation}"
            out[f"{name}_accuracy"] = f"{judged.accuracy.estimate:.4f}"
            out[f"{name}_low"] = f"{judged.accuracy.low:.4f}"
            out[f"{name}_high"] = f"{judged.accuracy.high:.4f}"
            out[f"{name}_macro_f1"] = f"{judged.macro_f1.estimate:.4f}"
    hardware = record["hardware"]
    return out | {
        "minutes": f"{record['seconds'] / 60:.1f}",
        "processor": hardware["processor"],
        "threads": hardware["threads"],
        "precision": hardware["precision"],
        "commit": (record.get("commit") or "")[:12],
        "data_hash": record["data"]["hash"][:12],
    }


def main(runs: Path, out: Path) -> None:
    rows = [row(run) for run in find_runs(runs) if run.done]
    if not rows:
        sys.exit(f"no finished runs below {runs}")
    text = io.StringIO()
    columns = list(dict.fromkeys(key for r in rows for key in r))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda r: (str(r["model"]), str(r["method"]), r["epochs"])))
    write_text(out, text.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
