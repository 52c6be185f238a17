"""Make a finished run a model of the package: weights, ONNX graph and model card.

    python tools/ship_pretrained.py runs/compact-… --name clean

The calibration and the threshold of abstention are fitted on the run's validation logits
(PublicTest); the card reports its test logits (PrivateTest). Weights are kept as float16; the
card's numbers are of the logits the run stored, in float32, and the card says how the shipped
file differs on synthetic faces.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from shared_weights import shared

from ferturb.base.config import choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_bytes, write_text
from ferturb.base.tensors import save_tensors
from ferturb.evaluation.metrics import ece
from ferturb.evaluation.scores import score
from ferturb.export.calibrated import Calibration, calibrate
from ferturb.export.comparison import Exported, compare
from ferturb.export.onnx import example_faces, to_onnx
from ferturb.export.torch_models import calibrated_module
from ferturb.models.classifier import Classifier
from ferturb.models.test_time import AUGMENTATIONS
from ferturb.predict.shipped import FOLDER, NAMES, About
from ferturb.runs.run import Run


def ship(run: Run, name: str, augmentation: str = "flip", folder: Path = FOLDER) -> Exported:
    """Write NAME.safetensors, NAME.onnx and NAME.md into a folder."""
    choose("pretrained model", name, NAMES)
    choose("test-time augmentation", augmentation, AUGMENTATIONS)
    classifier = run.load_model()
    if not isinstance(classifier, Classifier):
        raise FerturbError(
            f"{run.name} sums views at test time; ship a run with one network and test_views off"
        )
    labels, logits = run.logits("validation", augmentation)
    calibration = calibrate(labels, logits)
    about = About(
        name=name,
        temperature=calibration.temperature,
        bias=calibration.bias,
        abstain_below=calibration.abstain_below,
        prior=calibration.prior,
        augmentation=augmentation,
        network=dataclasses.asdict(run.config.model),
        results=results(run, augmentation, calibration),
    )
    weights = folder / f"{name}.safetensors"
    state = {
        key: value.half() if value.ndim > 1 else value
        for key, value in classifier.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_tensors(weights, state, about.to_dict())
    module, _ = calibrated_module(weights)
    model = to_onnx(
        module, ("faces",), ("probabilities",), example_faces(2), about.to_dict(), fold=False
    )
    graph = folder / f"{name}.onnx"
    write_bytes(graph, shared(model, weights).SerializeToString())
    exported = compare(module, graph, "float16", example_faces(128))
    write_text(folder / f"{name}.md", card(run, about, exported, weights.stat().st_size))
    return exported


def results(run: Run, augmentation: str, calibration: Calibration) -> dict[str, Any]:
    """What the model's file says of its making and its scores."""
    labels, logits = run.logits("test", augmentation)
    scaled = calibration.scaled(logits)
    scores = score(run.name, labels, scaled)
    probabilities = softmax(scaled, axis=1)
    answered = probabilities.max(1) >= calibration.abstain_below
    right = probabilities.argmax(1) == labels
    record = run.record()
    return {
        "run": run.name,
        "data": record["data"]["source"],
        "data_hash": record["data"]["hash"],
        "epochs": record["epochs"],
        "commit": record.get("commit"),
        "test_faces": len(labels),
        "accuracy": round(scores.accuracy.estimate, 4),
        "accuracy_interval": [round(scores.accuracy.low, 4), round(scores.accuracy.high, 4)],
        "macro_f1": round(scores.macro_f1.estimate, 4),
        "per_emotion": {k: round(v, 4) for k, v in scores.per_emotion.items()},
        "ece_before": round(ece(labels, logits), 4),
        "ece": round(scores.ece, 4),
        "answered": round(float(answered.mean()), 4),
        "right_when_answered": round(float(right[answered].mean()), 4) if answered.any() else None,
        "validation_answered": round(calibration.answered, 4),
        "validation_right_when_answered": round(calibration.right, 4),
    }


def card(run: Run, about: About, exported: Exported, size: int) -> str:
    """The model card."""
    r, config = about.results, run.config
    how = f"{config.method.name}, {config.recipe.name}, {r['epochs']} epochs, seed {config.seed}"
    low, high = (100 * v for v in r["accuracy_interval"])
    rows = "\n".join(
        f"| {e} | {100 * r['per_emotion'][e]:.1f} | {b:+.2f} |"
        for e, b in zip(EMOTIONS, about.bias, strict=True)
    )
    answered = "no face gets an answer"
    if r["right_when_answered"] is not None:
        answered = (
            f"it answers {100 * r['answered']:.1f} % of the test faces and is right on "
            f"{100 * r['right_when_answered']:.1f} % of those"
        )
    return f"""# The pretrained model *{about.name}*

{NAMES[about.name].capitalize()}. Written by `tools/ship_pretrained.py`; every number below comes
from the run's stored logits.

| | |
|---|---|
| network | {run.config.model.name}, {run.record()["parameters"]:,} parameters |
| file | {size / 1e6:.1f} MB, float16 weights |
| trained on | {r["data"]}, Training split alone, no outside weights |
| method, recipe | {how} |
| run | {r["run"]} |
| test-time augmentation | {about.augmentation} |
| epoch, calibration and threshold chosen on | the validation split (PublicTest) |

## On the test split (PrivateTest), {r["test_faces"]:,} faces

Accuracy **{100 * r["accuracy"]:.1f} %** (95 % interval {low:.1f} to {high:.1f}), macro-F1
{r["macro_f1"]:.3f}. Expected calibration error {100 * r["ece"]:.1f} %, at temperature
{about.temperature:.3f} and with a bias for each emotion ({100 * r["ece_before"]:.1f} % before).
Below a probability of {about.abstain_below:.2f} the predictor says that it does not know:
{answered}.

| emotion | recognised, % | bias |
|---|---|---|
{rows}

On 128 synthetic faces the ONNX file differs from torch by at most
{exported.max_difference:.1e} in a probability.

## Limits

It names the expression a face shows, not what a person feels. Its labels come from web searches
checked by few people, who themselves match them about 65 % of the time; faces of FER2013 are not
a sample of the world's people, ages or cameras. *Disgust* has few training faces. Don't use it to
judge people: not in hiring, schooling, policing, border control, insurance or medicine.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True, choices=sorted(NAMES))
    parser.add_argument("--augmentation", default="flip", choices=sorted(AUGMENTATIONS))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    exported = ship(Run.open(options.run), options.name, options.augmentation, options.folder)
    print(f"{exported.path}: differs from torch by at most {exported.max_difference:.1e}")
    print(np.round(100 * exported.agreement, 2), "% of the most probable emotions are the same")


if __name__ == "__main__":
    main()
