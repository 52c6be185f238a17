"""What the shipped models do by ten people's votes, under each prior, and on hidden faces.

    python tools/measure_people.py fer2013.zip fer2013new.csv occlusion.txt pose_30.txt pose_45.txt

Writes results/priors.csv (each model under the prior it was calibrated for, `wild` and `balanced`:
by FER+'s votes and by FER2013's labels) and results/hidden_really.csv (each published list, by
type, against the faces not listed; under the model's own prior; of all faces, and of those that
have no exact copy in Training). PrivateTest, the model's own test-time augmentation; nothing is
chosen here. The lists come without a licence: get them from their authors.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from ferturb.base.config import DatasetConfig
from ferturb.base.storage import write_rows
from ferturb.data.audit import copied
from ferturb.data.face_lists import read_face_list
from ferturb.data.faces import Faces
from ferturb.data.sources import load_faces
from ferturb.evaluation.listed import ListedRow, score_listed
from ferturb.evaluation.metrics import summary
from ferturb.evaluation.votes import against_votes
from ferturb.predict.prior import PRIORS, shifted
from ferturb.predict.shipped import NAMES, PretrainedModel, load_pretrained

RESULTS = Path(__file__).parents[1] / "results"


def by_votes(model: PretrainedModel, prior: str | None, test: Faces) -> dict[str, object]:
    """What the head that answers does by votes, and the label head by labels."""
    assert test.votes is not None
    found = {}
    for head, rows in model.predict_heads(test.images.numpy()).items():
        own = model.about.of(head).prior
        found[head] = np.log(shifted(rows, own, own if prior is None else PRIORS[prior]) + 1e-12)
    people = against_votes(test.votes.numpy(), found[model.about.head])
    plain = summary(test.labels.numpy(), found["label"])
    shares = {
        "fer_plus_8": people.accuracy_8,
        "fer_plus_macro_recall": people.balanced_accuracy,
        "fer_plus_least_recall": min(people.per_emotion),
        "people_ece": people.people_ece,
        "label_accuracy": plain.accuracy,
        "label_macro_recall": plain.balanced_accuracy,
        "label_ece": plain.ece,
    }
    distances = {"cross_entropy": people.cross_entropy, "brier": people.brier}
    return (
        {"model": model.name, "prior": prior or "its own", "faces": people.faces}
        | {name: f"{100 * share:.1f}" for name, share in shares.items()}
        | {name: f"{distance:.3f}" for name, distance in distances.items()}
    )


def shares(row: ListedRow) -> dict[str, object]:
    a = row.accuracy
    percent = {"accuracy": a.estimate, "low": a.low, "high": a.high}
    return {"faces": row.faces, "n": row.n} | {k: f"{100 * v:.1f}" for k, v in percent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="fer2013.zip")
    parser.add_argument("votes", help="fer2013new.csv")
    parser.add_argument("lists", type=Path, nargs="*", help="of really hidden or turned faces")
    options = parser.parse_args()
    faces = load_faces(DatasetConfig(options.data, votes=options.votes))
    kept = (~copied(faces)[faces.splits == 2]).nonzero().flatten()
    test = faces.split("test")
    assert test.votes is not None
    counts = test.votes.numpy()
    priors: list[dict[str, object]] = []
    hidden: list[dict[str, object]] = []
    for name in NAMES:
        model = load_pretrained(name, 1)
        own = np.log(model.predict_proba(test.images.numpy()) + 1e-12)
        priors += [by_votes(model, prior, test) for prior in (None, *PRIORS)]
        for path in options.lists:
            for of, some in (("all", torch.arange(len(test))), ("without copies", kept)):
                found = score_listed(
                    name, test.select(some), own[some], read_face_list(path), counts[some]
                )
                about = {"model": name, "list": path.stem, "of": of}
                hidden += [about | shares(row) for row in found]
    write_rows(RESULTS / "priors.csv", priors)
    write_rows(RESULTS / "hidden_really.csv", hidden)


if __name__ == "__main__":
    main()
