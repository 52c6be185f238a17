"""How the shipped models do on faces with something hidden.

    python -m research.measure_pretrained fer2013.zip fer2013new.csv

Writes results/pretrained_hidden.csv (accuracy on PrivateTest with 95 % intervals, and the paired
change against *clean*: by `people`, the answers against FER+'s majority, contempt an error; by
`labels`, the label head against FER2013's labels) and the section on hidden features of every model
card. The models are the shipped files, on onnxruntime, each with its own test-time augmentation.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ferturb.base.config import DatasetConfig
from ferturb.base.storage import write_text
from ferturb.data.faces import Faces
from ferturb.data.sources import load_faces
from ferturb.data.votes import fer_plus_labels
from ferturb.predict.shipped import FOLDER, NAMES, PretrainedModel, load_pretrained
from research.hidden import HiddenScore, Judge, Right, hidden_scores, right_when_hidden

RESULTS = Path(__file__).parents[1] / "results" / "pretrained_hidden.csv"
HEADING, NEXT = "## When something is hidden", "## Limits"


def judge(model: PretrainedModel, faces: Faces) -> Judge:
    """What of the test faces a model gets right, by people and by labels."""
    test = faces.split("test")
    assert test.votes is not None
    true = fer_plus_labels(test.votes.numpy())

    def right(images: Tensor) -> Right:
        found = {h: p.argmax(1) for h, p in model.predict_heads(images.numpy()).items()}
        asked = true >= 0
        people = (found[model.about.head] == true)[asked]
        return {"people": people, "labels": found["label"] == test.labels.numpy()}

    return right


def table(scores: dict[str, dict[str, list[HiddenScore]]]) -> str:
    """The CSV file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    change = ("change_against_clean", "change_low", "change_high")
    writer.writerow(["model", "by", "faces", "n", "accuracy", "low", "high", *change])
    for model, measures in scores.items():
        for by, row in ((by, row) for by, rows in measures.items() for row in rows):
            numbers = [row.accuracy.estimate, row.accuracy.low, row.accuracy.high]
            if row.change is not None:
                numbers += [row.change.estimate, row.change.low, row.change.high]
            cells = [f"{100 * value:.2f}" for value in numbers]
            writer.writerow([model, by, row.way, row.n, *cells, *[""] * (6 - len(cells))])
    return out.getvalue()


def section(rows: Sequence[HiddenScore]) -> str:
    """A model card's section."""
    lines = [
        HEADING,
        "",
        "The same test faces with something over them, or a facial feature left out (filled with",
        "the face's mean, or inpainted): how often it says what most people say of the whole face,",
        "contempt counting as an error. Written by `research/measure_pretrained.py`.",
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
    parser.add_argument("votes", type=Path)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    data, votes = (str(path.absolute()) for path in (options.data, options.votes))
    faces = load_faces(DatasetConfig(data, votes=votes))
    models = {name: load_pretrained(name, threads=options.threads) for name in NAMES}
    right = right_when_hidden({n: judge(m, faces) for n, m in models.items()}, faces)
    scores = {
        name: {
            by: hidden_scores(found, None if name == "clean" else right["clean"][by])
            for by, found in measures.items()
        }
        for name, measures in right.items()
    }
    write_text(RESULTS, table(scores))
    for name, found in scores.items():
        card = FOLDER / f"{name}.md"
        rows = found["people"]
        write_text(card, with_section(card.read_text(encoding="utf-8"), rows))


if __name__ == "__main__":
    main()
