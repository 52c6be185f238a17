from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.data.drawn.synthetic import draw
from ferturb.predict.abstention import LANDMARKS_FROM, answered
from ferturb.predict.predictor import Predictor
from ferturb.predict.shipped import NAMES

RESULTS = Path(__file__).parents[2] / "results" / "abstention.csv"
ROW = np.array([0.1, 0.1, 0.1, 0.5, 0.1, 0.05, 0.05], np.float32)


@pytest.mark.parametrize(
    ("row", "confidence", "below", "said"),
    [
        (ROW, 1.0, 0.5, "happy"),
        (ROW, LANDMARKS_FROM, 0.0, "happy"),
        (ROW, 1.0, 0.51, None),
        (ROW, LANDMARKS_FROM - 1e-6, 0.0, None),
        (ROW, float("nan"), 0.0, None),
        (ROW * np.float32("nan"), 1.0, 0.0, None),
    ],
)
def test_both_bounds_count(
    row: np.ndarray, confidence: float, below: float, said: str | None
) -> None:
    assert answered(row, confidence, below) == said


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_face_gets_no_answer_and_faces_do(name: str) -> None:
    rng = np.random.default_rng(5)
    levels = np.array([0, 1, 60, 128, 200, 255], np.uint8)
    slopes = np.broadcast_to(np.arange(0, 240, 5, dtype=np.uint8), (1, 48, 48))
    shown = [
        np.broadcast_to(levels[:, None, None], (6, 48, 48)),
        slopes,
        slopes.swapaxes(1, 2),
        rng.integers(0, 256, (40, 48, 48), dtype=np.uint8),
    ]
    predictor = Predictor(name, threads=1)
    found = predictor.predict_faces(np.concatenate(shown))
    assert [face.emotion for face in found] == [None] * len(found)
    assert {face.emotion for face in predictor.predict_faces(draw(40, seed=11).images.numpy())} & {
        *EMOTIONS
    }


def test_the_bound_is_the_least_that_all_but_silences_what_is_no_face() -> None:
    rows = list(csv.DictReader(RESULTS.open(encoding="utf-8")))
    worst, lost = {}, {}
    for row in rows:
        bound, share = float(row["landmarks from"]), float(row["answered %"])
        if row["input"] in ("noise", "blank", "no face"):
            worst[bound] = max(worst.get(bound, 0.0), share)
        elif row["input"] == "PublicTest":
            first = next(
                r for r in rows if (r["model"], r["input"]) == (row["model"], "PublicTest")
            )
            lost[bound] = max(lost.get(bound, 0.0), float(first["answered %"]) - share)
    assert min(b for b, share in worst.items() if share <= 0.1) == LANDMARKS_FROM
    assert lost[LANDMARKS_FROM] <= 1.01
