"""Fit what tells hidden facial features from the landmark network's expected errors.

    FERTURB_DATA=folder python tools/train_hidden.py

Training faces get features left out (by four fills) and face masks, glasses and hands drawn on;
a feature counts as hidden when over half of its region is covered. One logistic regression a
feature, from `ferturb.predict.hidden_features.evidence`; written with its scores on PublicTest
faces, covered in the same ways, to src/ferturb/predict/weights/hidden_features.json.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ferturb.base.config import DatasetConfig
from ferturb.base.pixels import as_images, as_input
from ferturb.base.storage import write_json
from ferturb.data.faces import Faces
from ferturb.data.sources import load_faces
from ferturb.features.landmarks import find_landmarks
from ferturb.features.masks.wear import wear
from ferturb.features.regions import regions
from ferturb.features.removal import remove
from ferturb.predict.hidden_features import FEATURES, FITTED, evidence
from ferturb.predict.landmark_finder import LandmarkFinder

LEFT_OUT = ("left_eye", "right_eye", "eyes", "brows", "nose", "mouth", "upper_face", "lower_face")
FILLS = ("black", "mean", "blur", "noise")
WORN = ("surgical", "cloth", "n95", "glasses", "hand", "random")


def covered(faces: Faces, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Inputs (m, groups) and which features are hidden (m,) over all ways to cover."""
    rng = np.random.default_rng(seed)
    found = find_landmarks(faces.images)
    places = regions(found.points, features=dict.fromkeys((*FEATURES, *LEFT_OUT)))
    kept: list[Tensor] = [torch.ones_like(faces.images, dtype=torch.bool)]
    images: list[Tensor] = [faces.images]
    floats = as_input(faces.images)
    for feature in LEFT_OUT:
        keep = ~places[feature]
        # Every fill, each on the faces of a quarter of the places.
        removed = floats.clone()
        turn = torch.from_numpy(rng.permutation(len(floats)) % len(FILLS))
        for k, fill in enumerate(FILLS):
            some = turn == k
            generator = torch.Generator().manual_seed(seed)
            removed[some] = remove(floats[some], keep[some], fill, generator)
        images.append(as_images(removed))
        kept.append(keep)
    for kind in WORN:
        worn = wear(faces.images, found.points, kind, seed)
        images.append(worn.images)
        kept.append(worn.kept)
    shown = torch.cat(images).numpy()
    seen = LandmarkFinder()(shown)
    hidden = {}
    for feature in FEATURES:
        where = places[feature]
        area = where.sum((1, 2)).clamp_min(1)
        shares = [(where & ~keep).sum((1, 2)) / area for keep in kept]
        hidden[feature] = (torch.cat(shares) > 0.5).numpy()
    return evidence(shown, seen.points, seen.errors), hidden


def main() -> None:
    source = Path(os.environ.get("FERTURB_DATA", ".")) / "fer2013.zip"
    faces = load_faces(DatasetConfig(str(source)))
    pick = torch.from_numpy(np.random.default_rng(0).permutation(len(faces.split("train")))[:700])
    inputs, hidden = covered(faces.split("train").select(pick), 1)
    tested, truth = covered(faces.split("validation").select(torch.arange(300)), 2)
    mean, std = inputs.mean(0), inputs.std(0)
    features = {}
    for feature in FEATURES:
        model = LogisticRegression(C=1.0, max_iter=300).fit((inputs - mean) / std, hidden[feature])
        p = model.predict_proba((tested - mean) / std)[:, 1]
        plain = p[: len(p) // (1 + len(LEFT_OUT) + len(WORN))]
        features[feature] = {
            "bias": round(float(model.intercept_[0]), 4),
            "weights": [round(float(w), 4) for w in model.coef_[0]],
            "auc": round(float(roc_auc_score(truth[feature], p)), 4),
            "recall_at_half": round(float((p[truth[feature]] > 0.5).mean()), 4),
            "precision_at_half": round(float(truth[feature][p > 0.5].mean()), 4),
            "false_alarms_on_plain_faces": round(float((plain > 0.5).mean()), 4),
        }
        print(feature, features[feature])
    write_json(
        FITTED,
        {
            "mean": [round(float(v), 4) for v in mean],
            "std": [round(float(v), 4) for v in std],
            "features": features,
        },
    )


if __name__ == "__main__":
    main()
