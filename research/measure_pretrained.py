"""How the shipped models do on faces with something hidden.

    python -m research.measure_pretrained fer2013.zip

Writes results/pretrained_hidden.csv (accuracy on PrivateTest with 95 % intervals, and the paired
change against *clean*) and the section on hidden features of every model card. The models are the
shipped files, on onnxruntime, each with its own test-time augmentation. `--models` measures some
again and keeps the other rows; the change needs *clean* among them.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ferturb.base.config import DatasetConfig
from ferturb.base.storage import write_text
from ferturb.data.sources import load_faces
from ferturb.predict.shipped import FOLDER, NAMES, load_pretrained
from research.hidden import (
    GREY_ROWS,
    HiddenScore,
    Right,
    hidden_scores,
    right_when_hidden,
)

RESULTS = Path(__file__).parents[1] / "results" / "pretrained_hidden.csv"
HEADING, NEXT = "## When something is hidden", "## Limits"


def table(scores: dict[str, list[HiddenScore]], kept: Sequence[Sequence[str]] = ()) -> str:
    """The CSV file: the rows that are kept, then these."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    change = ("change_against_clean", "change_low", "change_high")
    writer.writerow(["model", "faces", "n", "accuracy", "low", "high", *change])
    writer.writerows(kept)
    for model, rows in scores.items():
        for row in rows:
            numbers = [row.accuracy.estimate, row.accuracy.low, row.accuracy.high]
            if row.change is not None:
                numbers += [row.change.estimate, row.change.low, row.change.high]
            cells = [f"{100 * value:.2f}" for value in numbers]
            writer.writerow([model, row.way, row.n, *cells, *[""] * (6 - len(cells))])
    return out.getvalue()


def section(rows: Sequence[HiddenScore]) -> str:
    """A model card's section."""
    lines = [
        HEADING,
        "",
        "The same test faces with something over them, or a facial feature left out (filled with",
        "the face's mean, or inpainted). Written by `research/measure_pretrained.py`.",
        "",
        "| faces | accuracy, % | 95 % interval |",
        "|---|---|---|",
    ]
    for row in rows:
        low, high = 100 * row.accuracy.low, 100 * row.accuracy.high
        way = row.way.replace("_", " ")
        lines.append(f"| {way} | {100 * row.accuracy.estimate:.1f} | {low:.1f} to {high:.1f} |")
    return "\n".join(lines) + "\n\n"


def with_section(card: str, rows: Sequence[HiddenScore]) -> str:
    """The card with this section, in place of the one it had."""
    before, after = card.split(NEXT, 1)
    return before.split(HEADING, 1)[0] + section(rows) + NEXT + after


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", nargs="+", choices=sorted(NAMES), default=list(NAMES))
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    faces = load_faces(DatasetConfig(str(options.data.absolute())))
    right: dict[str, Right] = {}
    for name in options.models:
        if (FOLDER / f"{name}.onnx").exists():
            model = load_pretrained(name, threads=options.threads)
            right[name] = right_when_hidden(model.predict_proba, faces)
            whole, grey = (100 * right[name][way].mean() for way in ("whole", GREY_ROWS))
            print(f"{name}: {whole:.2f} % whole, {grey:.2f} % with {GREY_ROWS}", flush=True)
    others = {name: None if name == "clean" else right.get("clean") for name in right}
    scores = {name: hidden_scores(right[name], others[name]) for name in right}
    kept = []
    if RESULTS.exists():
        with RESULTS.open(newline="", encoding="utf-8") as file:
            kept = [row for row in list(csv.reader(file))[1:] if row[0] not in scores]
    write_text(RESULTS, table(scores, kept))
    for name, rows in scores.items():
        card = FOLDER / f"{name}.md"
        write_text(card, with_section(card.read_text(encoding="utf-8"), rows))


if __name__ == "__main__":
    main()
