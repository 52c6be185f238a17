"""Methods against the baseline of the same model: `python tools/collect_controls.py RUNS OUT.csv`.

RUNS is a folder of run folders, e.g. STUDY/runs of `ferturb study controls`. One row a model and
method: accuracy as mean ± standard deviation over seeds with its 95 % interval (over faces and
seeds), the change against the baseline with its paired interval, McNemar's p of each seed's pair,
the minutes of a seed with and without its attention run. Test split, with flip.
"""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np

from ferturb.report.results import Arm, Comparison, collect
from ferturb.runs import find_runs
from ferturb.storage import write_text


def share(value: float) -> str:
    """A share as percent."""
    return f"{100 * value:.2f}"


def row(arm: Arm, comparison: Comparison | None) -> dict[str, object]:
    accuracy = arm.scores.accuracy
    config = arm.runs[0].config
    validation = (arm.validation_logits.argmax(-1) == arm.validation_labels).mean(1)
    out: dict[str, object] = {
        "model": arm.model,
        "method": arm.method,
        "seeds": len(arm.seeds),
        "epochs": config.recipe.epochs,
        "recipe": config.recipe.name,
        "n": len(arm.labels),
        "validation_accuracy": share(float(validation.mean())),
        "accuracy": share(accuracy.estimate),
        "std": "" if accuracy.std is None else share(accuracy.std),
        "low": share(accuracy.low),
        "high": share(accuracy.high),
    }
    for name in ("change", "change_low", "change_high", "mcnemar_p"):
        out[name] = ""
    if comparison is not None:
        change = comparison.change.accuracy
        out["change"] = f"{100 * change.estimate:+.2f}"
        out["change_low"] = f"{100 * change.low:+.2f}"
        out["change_high"] = f"{100 * change.high:+.2f}"
        out["mcnemar_p"] = " ".join(f"{test.p:.2g}" for _, _, test in comparison.by_seed)
    own = float(np.mean([run.record()["seconds"] for run in arm.runs]))
    out["minutes"] = f"{own / 60:.1f}"
    out["minutes_with_attention"] = f"{arm.seconds / 60:.1f}"
    return out


def main(runs: Path, out: Path) -> None:
    results = collect(find_runs(runs))
    for warning in results.warnings:
        print(warning, file=sys.stderr)
    against = {id(c.other): c for c in results.comparisons}
    rows = [row(arm, against.get(id(arm))) for arm in results.arms if not arm.is_ensemble]
    if not rows:
        sys.exit(f"no finished runs below {runs}")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out, text.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
