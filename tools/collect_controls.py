"""Methods against the baseline of the same model: the table and picture of the controls.

    python tools/collect_controls.py STUDY/runs results/perturb_controls.csv docs/img/controls.png

STUDY/runs is a folder of run folders of `ferturb study controls`. One row a model and method:
accuracy as mean ± standard deviation over seeds with its 95 % interval (over faces and seeds); the
change against the baseline and against `random-regions` (the same areas without attention) with
paired intervals; McNemar's p of each seed's pair with the baseline; the minutes of a seed with and
without the runs it builds on. Test split, with flip; nothing is chosen there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from ferturb.base.storage import write_bytes, write_rows
from ferturb.report.accuracy.figures import differences
from ferturb.report.form.style import png_of
from ferturb.report.groups import Comparison, compare, group_runs
from ferturb.report.model_results import ModelResult
from ferturb.report.run_results import read_run
from ferturb.runs.run import find_runs

WITHOUT_ATTENTION = "random-regions"


def share(value: float) -> str:
    """A share as percent."""
    return f"{100 * value:.2f}"


def changes(name: str, comparison: Comparison | None) -> dict[str, str]:
    """A change of accuracy and its interval, in points."""
    keys = (name, f"{name}_low", f"{name}_high")
    if comparison is None:
        return dict.fromkeys(keys, "")
    change = comparison.change.accuracy
    values = (change.estimate, change.low, change.high)
    return {key: f"{100 * v:+.2f}" for key, v in zip(keys, values, strict=True)}


def row(
    model: ModelResult, baseline: Comparison | None, regions: Comparison | None
) -> dict[str, object]:
    """One line of the table."""
    accuracy, config = model.scores.accuracy, model.runs[0].config
    validation = (model.validation_logits.argmax(-1) == model.validation_labels).mean(1)
    own = float(np.mean([run.record["seconds"] for run in model.runs]))
    return {
        "model": model.model,
        "method": config.method.name,
        "views": config.method.views if config.method.name != "baseline" else "",
        "seeds": len(model.seeds),
        "epochs": config.recipe.epochs,
        "recipe": config.recipe.name,
        "n": len(model.labels),
        "validation_accuracy": share(float(validation.mean())),
        "accuracy": share(accuracy.estimate),
        "std": "" if accuracy.std is None else share(accuracy.std),
        "low": share(accuracy.low),
        "high": share(accuracy.high),
        **changes("change", baseline),
        **changes("change_from_random", regions),
        "mcnemar_p": " ".join(f"{test.p:.2g}" for *_, test in baseline.by_seed) if baseline else "",
        "minutes": f"{own / 60:.1f}",
        "minutes_with_earlier_runs": f"{model.seconds / 60:.1f}",
        "commit": str(model.runs[0].record["commit"])[:7],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="a folder of run folders")
    parser.add_argument("out", type=Path, help="the table")
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    groups = group_runs([read_run(run) for run in find_runs(options.runs)])
    if not groups:
        sys.exit(f"no runs below {options.runs}")
    whole = groups[0]
    for warning in whole.warnings:
        print(warning, file=sys.stderr)
    models = [m for m in whole.models if not m.is_ensemble and m.method != "attention"]
    if not models:
        sys.exit(f"no finished runs below {options.runs}")
    against = {id(c.other): c for c in whole.comparisons if c.other.method != "attention"}
    random = {model.model: model for model in models if model.method == WITHOUT_ATTENTION}
    table = []
    for model in models:
        other = random.get(model.model)
        regions = None
        if other is not None and other is not model and set(other.seeds) & set(model.seeds):
            regions = compare(other, model)
        table.append(row(model, against.get(id(model)), regions))
    write_rows(options.out, table)
    ordered = sorted(against.values(), key=lambda c: -c.change.accuracy.estimate)
    write_bytes(options.picture, png_of(differences(ordered, with_paper=False)))


if __name__ == "__main__":
    main()
