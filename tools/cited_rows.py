"""The rows of results/cited_systems.csv: what each cited system claims, and what was measured."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ferturb.base.storage import write_rows
from ferturb.data.faces import Faces
from ferturb.evaluation.mask_detector import called_masked
from ferturb.evaluation.metrics import accuracy_of, balanced_accuracy_of, count_columns
from ferturb.evaluation.other_data import measure_on, pair_of
from ferturb.evaluation.significance import bootstrap
from ferturb.evaluation.votes import against_votes
from ferturb.models.inference import logits_of
from ferturb.runs.packed import packed, write_packed
from ferturb.runs.run import Run

RESULTS = Path(__file__).resolve().parents[1] / "results"
STAGES = "its two stages: a mask detector, and a network for each kind of face"
SYSTEMS: dict[str, tuple[str, str, str]] = {
    "deep-emotion": (
        "Deep-Emotion",
        "70.0",
        "PrivateTest by the paper, whose program isn't public; users of the unofficial one report "
        "47 to 55. Here the transformer warps the face",
    ),
    "deep-emotion-streams": ("Deep-Emotion", "70.0", "the same; here the two streams meet"),
    "emonext-narrow": ("after EmoNeXt", "none", "our reduction for CPUs; no weights of ImageNet"),
    "emonext-narrow/without-regulariser": ("after EmoNeXt", "none", "the same without its loss"),
    "emonext-tiny": (
        "EmoNeXt",
        "73.3",
        "weights of ImageNet, 224 pixels, ten crops; users get 71.4 and 71.6. Here from random "
        "weights at 48 pixels",
    ),
    "emonext-tiny/without-regulariser": ("EmoNeXt", "73.3", "the same without its loss"),
    "masked-compact-tiny": (
        "after Masked FER-2013",
        "up to 46 % relative gain",
        "accuracy on masked faces, its own masks; two pages, no program. Trained on whole faces",
    ),
    "masked-compact-tiny/mixed": ("after Masked FER-2013", "", "trained on MaskFer"),
    "masked-compact-tiny/half-masked": ("after Masked FER-2013", "", "trained on both"),
    "masked-compact-tiny/two-stage": ("after Masked FER-2013", "", STAGES),
    "masked-vgg16-half": ("after Masked FER-2013", "", "trained on whole faces"),
    "masked-vgg16-half/mixed": ("after Masked FER-2013", "", "trained on MaskFer"),
    "masked-vgg16-half/half-masked": ("after Masked FER-2013", "", "trained on both"),
    "masked-vgg16-half/two-stage": ("after Masked FER-2013", "", STAGES),
    "masked-resnet18": ("after Masked FER-2013", "", "trained on whole faces"),
    "masked-resnet18/mixed": ("after Masked FER-2013", "", "trained on MaskFer"),
    "masked-resnet18/half-masked": ("after Masked FER-2013", "", "trained on both"),
    "masked-resnet18/two-stage": ("after Masked FER-2013", "", STAGES),
    "hog-landmarks": (
        "after Mukhiddinov et al.",
        "69.3 on AffectNet",
        "another data set, eight classes, no program; on whole faces",
    ),
    "hog-landmarks/mixed": ("after Mukhiddinov et al.", "69.3 on AffectNet", "on MaskFer"),
    "hog": ("HOG, linear SVM", "none", "a classical baseline, on whole faces"),
    "hog/mixed": ("HOG, linear SVM", "none", "a classical baseline, on MaskFer"),
    "hog-boosted": ("HOG, boosted trees", "none", "a classical baseline, on whole faces"),
    "hog-boosted/mixed": ("HOG, boosted trees", "none", "a classical baseline, on MaskFer"),
    "transfer-tf_efficientnet_lite0/scratch": (
        "after Huang et al.",
        "77.4 and 83.4 on RAF-DB",
        "another data set, from AffectNet, no program; here EfficientNet-Lite0 from random weights",
    ),
    "transfer-tf_efficientnet_lite0/tuned": ("after Huang et al.", "", "from ImageNet's weights"),
    "transfer-tf_efficientnet_lite0/frozen": ("after Huang et al.", "", "these, head alone"),
    "transfer-dlib-resnet/scratch": ("after Huang et al.", "", "dlib's network, random weights"),
    "transfer-dlib-resnet/tuned": ("after Huang et al.", "", "from face recognition"),
    "transfer-dlib-resnet/frozen": ("after Huang et al.", "", "these, head alone"),
    "genetic-search": (
        "after Sam'an et al.",
        "76.1",
        "three generations; which split the accuracy and the choice are of isn't said; no program",
    ),
}
"""A training of `cited_systems.queue`, without its seed -> system, claim in %, its protocol."""
MEASURED = (
    *("seeds", "epochs", "accuracy", "accuracy_low", "accuracy_high", "each_seed"),
    *("macro_recall", "macro_recall_low", "macro_recall_high", "fer_plus"),
    *("maskfer", "maskfer_low", "maskfer_high", "detector"),
    *("parameters", "faces_per_second", "minutes", "commit"),
)
TABLE = "cited_systems.csv"
SHOWN = 1024
"""Faces whose passes are timed."""


def measured_row(runs: Sequence[Run], whole: Faces, worn: Faces) -> dict[str, object]:
    """What one system's finished trainings do on PrivateTest with flip, the mean over seeds.

    The intervals are over faces alone. MaskFer is the same faces with face masks (seed 0).
    """
    votes = whole.split("test").votes
    own, maskfer, people = [], [], []
    for run in runs:
        pairs = {}
        for name, faces in (("on-whole", whole), ("on-maskfer", worn)):
            pairs[name] = pair_of(measure_on(run, faces, name, ("flip",)), "test", "flip")
        own.append(count_columns(*pairs["on-whole"]))
        maskfer.append(count_columns(*pairs["on-maskfer"]))
        if votes is not None:
            people.append(against_votes(votes.numpy(), pairs["on-whole"][1]).accuracy_8)
        write_packed(RESULTS / "logits" / "cited" / f"{run.name}.npz", packed(run))
    record, columns = runs[0].record(), np.mean(own, 0)
    accuracy, recall = (bootstrap(columns, of) for of in (accuracy_of, balanced_accuracy_of))
    in_masks = bootstrap(np.mean(maskfer, 0), accuracy_of)
    shares = {
        "accuracy": accuracy.estimate,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "macro_recall": recall.estimate,
        "macro_recall_low": recall.low,
        "macro_recall_high": recall.high,
        "fer_plus": float(np.mean(people)) if people else None,
        "maskfer": in_masks.estimate,
        "maskfer_low": in_masks.low,
        "maskfer_high": in_masks.high,
        "detector": detector_accuracy(runs, whole, worn),
    }
    row: dict[str, object] = {k: "" if v is None else f"{100 * v:.1f}" for k, v in shares.items()}
    row["each_seed"] = " ".join(f"{100 * float(accuracy_of(c.mean(0))):.1f}" for c in own)
    row |= {"seeds": len(runs), "epochs": record["epochs"]}
    row["parameters"] = runs[0].load_model().parameter_count
    row["faces_per_second"] = round(faces_per_second(runs[0], whole))
    row["minutes"] = f"{np.mean([run.record()['seconds'] for run in runs]) / 60:.1f}"
    row["commit"] = str(record.get("software", {}).get("commit", ""))[:7]
    return row


def detector_accuracy(runs: Sequence[Run], whole: Faces, worn: Faces) -> float | None:
    """How often the mask detectors of these are right about PrivateTest's faces, half of which wear
    a mask; None of networks without one."""
    shares = []
    for run in runs:
        model = run.load_model()
        plain, masked = (
            called_masked(model, faces.split("test").images) for faces in (whole, worn)
        )
        if plain is None or masked is None:
            return None
        shares.append(float((~plain).double().mean() + masked.double().mean()) / 2)
    return float(np.mean(shares))


def faces_per_second(run: Run, faces: Faces) -> float:
    """Of processor time: one pass each, batches of 256, one thread; the second of two times."""
    torch.set_num_threads(1)
    model, images = run.load_model(), faces.images[:SHOWN]
    for _ in "ab":
        start = time.process_time()
        logits_of(model, images)
        seconds = time.process_time() - start
    return len(images) / seconds


def rows_before() -> dict[str, dict[str, str]]:
    """Training -> its row as it was written last."""
    if not (RESULTS / TABLE).exists():
        return {}
    with (RESULTS / TABLE).open(encoding="utf-8", newline="") as file:
        return {row["training"]: row for row in csv.DictReader(file)}


def write_rows_of(measured: Mapping[str, Mapping[str, object]]) -> None:
    """results/cited_systems.csv: every system; what was measured before and isn't here stays."""
    before = rows_before()
    rows: list[dict[str, object]] = []
    for key, (system, claim, protocol) in SYSTEMS.items():
        known = measured.get(key, before.get(key, {}))
        said = {"training": key, "system": system, "claim": claim, "protocol": protocol}
        rows.append(said | {name: known.get(name, "") for name in MEASURED})
    write_rows(RESULTS / TABLE, rows, ["training", "system", "claim", "protocol", *MEASURED])
