"""Make a finished run a model of the package: weights, ONNX graph and model card.

    python tools/ship_pretrained.py runs/compact-… --name clean

Calibration and thresholds of abstention are fitted on validation logits (PublicTest); the card
reports test logits (PrivateTest), by FER+'s votes and by FER2013's labels. Weights are kept as
float16; the card's numbers are of the logits the run stored, and the card says how the shipped
file differs on synthetic faces.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from scipy.special import softmax
from shared_weights import shared

from ferturb.base.config import choose
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_bytes, write_text
from ferturb.base.tensors import save_tensors
from ferturb.data.votes import fer_plus_labels
from ferturb.evaluation.scores import score
from ferturb.evaluation.significance import bootstrap
from ferturb.evaluation.votes import against_votes
from ferturb.export.comparison import Exported, compare
from ferturb.export.onnx import calibrated_onnx, example_faces
from ferturb.export.torch_models import about_run, calibrated_module, calibration_of
from ferturb.models.classifier import Classifier
from ferturb.models.test_time import AUGMENTATIONS
from ferturb.predict.prior import PRIORS, shifted
from ferturb.predict.shipped import FOLDER, NAMES, About, Readout
from ferturb.runs.run import Run

HOW = (
    "Written by `tools/ship_pretrained.py`; every number below comes from the run's stored logits."
)


def ship(run: Run, name: str, augmentation: str = "flip", folder: Path = FOLDER) -> Exported:
    """Write NAME.safetensors, NAME.onnx and NAME.md into a folder."""
    choose("pretrained model", name, NAMES)
    choose("test-time augmentation", augmentation, AUGMENTATIONS)
    classifier = run.load_model(None)
    if not isinstance(classifier, Classifier):
        raise FerturbError(
            f"{run.name} sums views at test time; ship a run with one network and test_views off"
        )
    about = with_results(run, about_run(run, name, augmentation))
    weights = folder / f"{name}.safetensors"
    state = {
        key: value.half() if value.ndim > 1 else value
        for key, value in classifier.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_tensors(weights, state, about.to_dict())
    module, _ = calibrated_module(weights)
    graph = folder / f"{name}.onnx"
    model = shared(calibrated_onnx(module, about, fold=False), weights)
    write_bytes(graph, model.SerializeToString())
    exported = compare(module, graph, "float16", example_faces(128))
    write_text(folder / f"{name}.md", card(run, about, exported, weights.stat().st_size))
    return exported


def with_results(run: Run, about: About) -> About:
    """The same with what each head scored."""
    of = {head: results(run, about.augmentation, head) for head in about.heads}
    others = {h: dataclasses.replace(r, results=of[h]) for h, r in about.others.items()}
    return dataclasses.replace(about, results=of[about.head], others=others)


def results(run: Run, augmentation: str, head: str) -> dict[str, Any]:
    """What the model's file says of a head's making and scores."""
    calibration = calibration_of(run, augmentation, head)
    labels, logits = run.logits("test", augmentation, head)
    scaled, votes = calibration.scaled(logits), run.votes("test")
    people = head == "votes" and votes is not None
    found = by_people(votes, scaled, calibration) if people else by_labels(labels, scaled)
    true = fer_plus_labels(votes) if people else labels
    asked = votes.sum(1) > 0 if people else np.ones(len(labels), bool)
    answered = asked & (softmax(scaled, axis=1).max(1) >= calibration.abstain_below)
    right = scaled.argmax(1) == true
    record = run.record()
    made = {
        "run": run.name,
        "data": record["data"]["source"],
        "data_hash": record["data"]["hash"],
        "epochs": record["epochs"],
        "commit": record.get("commit"),
        "test_faces": len(labels),
    }
    chosen = {
        "answered": answered.sum() / asked.sum(),
        "right_when_answered": right[answered].mean() if answered.any() else None,
        "validation_answered": calibration.answered,
        "validation_right_when_answered": calibration.right,
    }
    return made | rounded(found | chosen)


def by_labels(labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
    """Scores by FER2013's labels."""
    scores = score("", labels, logits)
    interval = scores.accuracy
    return {
        "accuracy": interval.estimate,
        "accuracy_interval": [interval.low, interval.high],
        "macro_f1": scores.macro_f1.estimate,
        "macro_recall": scores.balanced_accuracy,
        "per_emotion": scores.per_emotion,
        "ece": scores.ece,
    }


def by_people(votes: np.ndarray, logits: np.ndarray, calibration: Readout) -> dict[str, Any]:
    """Scores by ten people's votes; `balanced_` where every emotion is taken to be as frequent."""
    found, labels = against_votes(votes, logits), fer_plus_labels(votes)
    asked = labels >= 0
    interval = bootstrap((logits.argmax(1) == labels)[asked].astype(float))
    balanced = shifted(softmax(logits, axis=1), calibration.prior, PRIORS["balanced"])
    even = against_votes(votes, np.log(balanced))
    return {
        "fer_plus_faces": found.faces,
        "accuracy": found.accuracy_8,
        "accuracy_interval": [interval.low, interval.high],
        "macro_recall": found.balanced_accuracy,
        "balanced_macro_recall": even.balanced_accuracy,
        "per_emotion": dict(zip(EMOTIONS, found.per_emotion, strict=True)),
        "balanced_per_emotion": dict(zip(EMOTIONS, even.per_emotion, strict=True)),
        "ece": found.people_ece,
        "brier": found.brier,
    }


def rounded(found: Any) -> Any:
    """Numbers to four digits, inside lists and dictionaries too."""
    if isinstance(found, dict):
        return {key: rounded(value) for key, value in found.items()}
    if isinstance(found, list):
        return [rounded(value) for value in found]
    return round(float(found), 4) if isinstance(found, float) else found


def card(run: Run, about: About, exported: Exported, size: int) -> str:
    """The model card."""
    r, config = about.results, run.config
    how = f"{config.method.name}, {config.recipe.name}, {r['epochs']} epochs, seed {config.seed}"
    if config.teachers:
        how += f", taught by {len(config.teachers)} networks"
    learnt = " and ".join(
        {"label": "FER2013's labels", "votes": "FER+'s votes"}[h] for h in run.config.model.heads
    )
    purpose = NAMES[about.name]
    sections = "\n".join(section(about.of(head)) for head in about.heads)
    return f"""# The pretrained model *{about.name}*

{fill(f"{purpose[0].upper()}{purpose[1:]}. {HOW}", 100)}

| | |
|---|---|
| network | {config.model.name}, {run.record()["parameters"]:,} parameters |
| file | {size / 1e6:.1f} MB, float16 weights |
| trained on | {r["data"]}, Training split alone, no outside weights |
| learnt | {learnt} |
| method, recipe | {how} |
| run | {r["run"]} |
| test-time augmentation | {about.augmentation} |
| epoch, calibration and threshold chosen on | the validation split (PublicTest) |

{sections}
On 128 synthetic faces the ONNX file differs from torch by at most
{exported.max_difference:.1e} in a probability.

## Limits

It names the expression a face shows, not what a person feels. Its labels come from web searches
checked by few people, and are what more of ten others say than anything else on about 63 % of the
faces; faces of FER2013 are not a sample of the world's people, ages or cameras. *Disgust* has few
training faces. Don't use it to judge people: not in hiring, schooling, policing, border control,
insurance or medicine.
"""


def section(about: About) -> str:
    """What a card says of one head."""
    r, people = about.results, about.head == "votes"
    low, high = (100 * v for v in r["accuracy_interval"])
    scored = f"Accuracy **{100 * r['accuracy']:.1f} %** (95 % interval {low:.1f} to {high:.1f})"
    first = [f"{100 * r['macro_recall']:.1f}"]
    if people:
        title = f"What people would say ({r['fer_plus_faces']:,} test faces with a majority)"
        about_it = f"""Its probabilities are shares of ten people. {scored} by FER+'s eight classes,
where contempt counts as an error; macro recall of the seven emotions {first[0]} %, and
{100 * r["balanced_macro_recall"]:.1f} % with the prior `balanced`. Of the faces of which it says
70 %, seven of ten people say so within {100 * r["ece"]:.1f} points in the mean; Brier score
{r["brier"]:.3f}. Its answers are meant to be what most people say nine times out of ten"""
        columns = ["recognised, %", "with `balanced`, %", "bias"]
    else:
        title = f"FER2013's label (PrivateTest, {r['test_faces']:,} faces)"
        about_it = f"""{scored}, macro-F1 {r["macro_f1"]:.3f}, macro recall {first[0]} %. Expected
calibration error {100 * r["ece"]:.1f} %, at temperature {about.temperature:.3f} and with a bias
for each emotion. Its answers are meant to be right eight times out of ten"""
        columns = ["recognised, %", "bias"]
    rows = []
    for e, b in zip(EMOTIONS, about.bias, strict=True):
        cells = [f"{100 * r['per_emotion'][e]:.1f}"]
        cells += [f"{100 * r['balanced_per_emotion'][e]:.1f}"] if people else []
        rows.append(f"| {e} | {' | '.join([*cells, f'{b:+.2f}'])} |")
    answered = "no face gets an answer"
    if r["right_when_answered"] is not None:
        answered = (
            f"it answers {100 * r['answered']:.1f} % of the test faces and is right on "
            f"{100 * r['right_when_answered']:.1f} % of those"
        )
    table, unknown = "\n".join(rows), f"that it does not know. So {answered}"
    return f"""## {title}

{fill(f"{about_it}: below a probability of {about.abstain_below:.2f} it says {unknown}.", 100)}

| emotion | {" | ".join(columns)} |
|---|{"---|" * len(columns)}
{table}
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
